package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// schemaStream is the row of leadsync_streams that remembers what the definitions of the mapped properties were: it moves on with each
// look, as the position of a stream does.
const schemaStream = "schema"

// learnt compares the definitions with those of the look before and remembers them. Without the database nothing can be compared, and the
// next look tries again.
func (a *App) learnt(lease *store.Lease) func(ctx context.Context, hubID int64, table *mapping.Table) []mapping.Problem {
	return func(ctx context.Context, hubID int64, table *mapping.Table) []mapping.Problem {
		now := table.Shapes()
		if len(now) == 0 {
			return nil
		}
		row, err := within(ctx, func(ctx context.Context) (store.StreamRow, error) {
			return a.db.Stream(ctx, a.cfg.Portal, hubID, schemaStream)
		})
		if err != nil && !errors.Is(err, lead.ErrNotFound) {
			a.log.Debug(observe.PropertyFault, observe.Err, err)
			return nil
		}
		was := map[string]mapping.Shape{}
		if row.Position != "" {
			if err := json.Unmarshal([]byte(row.Position), &was); err != nil {
				a.log.Debug(observe.PropertyFault, observe.Err, err) // written by a later version: begin anew
			}
		}
		for property, shape := range was { // one that is away for a day is compared when it comes back
			if _, there := now[property]; !there {
				now[property] = shape
			}
		}
		text, err := json.Marshal(now)
		if err != nil || string(text) == row.Position {
			return nil
		}
		found := table.ChangedSince(was)
		_, err = within(ctx, func(ctx context.Context) (store.SettleResult, error) {
			return a.db.Settle(ctx, store.Settlement{Lease: lease, Now: outbox.Millis(time.Now()), Stream: &store.StreamRow{HubID: hubID, Stream: schemaStream, Position: string(text)}})
		})
		if err != nil {
			a.log.Debug(observe.PropertyFault, observe.Err, err) // told again at the next look
		}
		return found
	}
}
