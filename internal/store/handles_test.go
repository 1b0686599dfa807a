package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// mute is a server that answers nothing, whatever it is asked, until who asks gives up.
type mute struct{}

func (mute) Connect(ctx context.Context) (driver.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (mute) Driver() driver.Driver { return nil }

// TestPortalEndsInTime calls every method of a Portal while the database says nothing and the caller named no time.
func TestPortalEndsInTime(t *testing.T) {
	asksNothing := []string{"MaySend", "Trouble", "Scrub"} // what Scrub does on a server
	longer := []string{"Wipe"}
	for m := range reflect.TypeFor[*Portal]().Methods() {
		if slices.Contains(asksNothing, m.Name) {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			pool := sql.OpenDB(mute{})
			cfg := gormConfig(slog.New(slog.DiscardHandler))
			cfg.DisableAutomaticPing = true
			g, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			db := &DB{&engine{dialect: &postgresDialect{}, log: slog.New(slog.DiscardHandler), write: pool, read: pool, gwrite: g, gread: g}}
			p := db.Portal(&Lease{db: db.engine, portal: "default"}, PortalConfig{Hash: func(kind, text string) string { return kind + text }})
			began := time.Now()
			out := reflect.ValueOf(p).MethodByName(m.Name).Call(arguments(m.Type))
			err, _ = out[len(out)-1].Interface().(error)
			want := Patience
			if slices.Contains(longer, m.Name) {
				want = WipePatience
			}
			if took := time.Since(began); took != want {
				t.Errorf("%s gave up after %s, want %s", m.Name, took, want)
			}
			if away, is := errors.AsType[*settlement.AwayError](p.Trouble(err)); !is {
				t.Errorf("%s: %v is no trouble of the database (%v)", m.Name, err, away)
			}
		})
	}
}

// arguments make a call ask the database.
func arguments(method reflect.Type) (in []reflect.Value) {
	given := []any{[]lead.ID{"a"}, []lead.ContactID{"1"}, []string{"a@example.com"}, []outbox.EntryID{1}, []outbox.State{outbox.Dead},
		[]settlement.DeleteAsk{{Row: 1}}, []RequestRow{{Portal: "default", LeadHash: "a"}}, []outbox.Entry{{ID: 1, EventID: new("e")}},
		[]outbox.Lane{outbox.Live}, settlement.Settlement{Links: []ledger.Link{{LeadID: "a"}}}, func(settlement.Wiped) string { return "" },
		func(outbox.Entry) error { return nil }, context.Background(), 5, int64(5)}
	for i := 1; i < method.NumIn(); i++ { // without the receiver
		v := reflect.Zero(method.In(i))
		for _, g := range given {
			if reflect.TypeOf(g).AssignableTo(method.In(i)) {
				v = reflect.ValueOf(g)
			}
		}
		if method.IsVariadic() && i == method.NumIn()-1 {
			v = reflect.ValueOf(outbox.Live)
		}
		in = append(in, v)
	}
	return in
}
