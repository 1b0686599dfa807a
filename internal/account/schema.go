package account

import (
	"context"
	"encoding/json"
	"log/slog"

	"leadsync/internal/mapping"
	"leadsync/internal/observe"
)

// Shapes remembers, as a text, what the definitions of the mapped properties were; it is empty at first.
type Shapes interface {
	Shapes(ctx context.Context, accountID int64) (string, error)
	SaveShapes(ctx context.Context, accountID int64, text string) error
}

// CompareWith returns a Config.OnDefinitions that compares definitions with those of the look before and remembers
// them. Without the database nothing can be compared, and the next look tries again.
func CompareWith(shapes Shapes, log *slog.Logger) func(ctx context.Context, accountID int64, table *mapping.Table) []mapping.Problem {
	return func(ctx context.Context, accountID int64, table *mapping.Table) []mapping.Problem {
		now := table.Shapes()
		if len(now) == 0 {
			return nil
		}
		before, err := shapes.Shapes(ctx, accountID)
		if err != nil {
			log.Debug(observe.PropertyFault, observe.Err, err)
			return nil
		}
		was := map[string]mapping.Shape{}
		if before != "" {
			if err := json.Unmarshal([]byte(before), &was); err != nil {
				log.Debug(observe.PropertyFault, observe.Err, err) // written by a later version: begin anew
			}
		}
		for property, shape := range was { // one that is away for a day is compared when it comes back
			if _, there := now[property]; !there {
				now[property] = shape
			}
		}
		text, err := json.Marshal(now)
		if err != nil || string(text) == before {
			return nil
		}
		found := table.ChangedSince(was)
		if err := shapes.SaveShapes(ctx, accountID, string(text)); err != nil {
			log.Debug(observe.PropertyFault, observe.Err, err) // told again at the next look
		}
		return found
	}
}
