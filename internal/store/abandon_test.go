package store_test

import (
	"errors"
	"testing"

	"leadsync/internal/settlement"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// A renewal that was under way when the owner gave the portal back, and that the server carries out afterwards, does
// not take it again for nobody: the next owner would wait for thirty seconds.
func TestRenewalAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres, "mysql": storetest.MySQL} {
		t.Run(name, func(t *testing.T) {
			db := storetest.Open(t, url(t))
			for how, end := range map[string]func(*store.Lease) error{
				"abandon": func(l *store.Lease) error { return l.Abandon(t.Context()) },
				"release": func(l *store.Lease) error { return l.Release(t.Context()) },
			} {
				l, err := db.Acquire(t.Context(), "default", "one")
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				if err := end(l); err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				if err := l.Renew(t.Context()); name != "sqlite" && !errors.Is(err, settlement.ErrLeaseLost) {
					t.Errorf("%s: a renewal afterwards: %v, want ErrLeaseLost", how, err)
				}
				next, err := db.Acquire(t.Context(), "default", "two")
				if err != nil {
					t.Fatalf("after %s: %v", how, err)
				}
				if clean := next.CleanBefore(); clean != (how == "release") {
					t.Errorf("after %s: clean %t", how, clean)
				}
				if err := next.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
