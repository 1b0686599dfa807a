package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/outbox"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// backlogRows is a backlog after a long outage.
const backlogRows = 1_000_000

// millionRows are inserts of many rows at once, one for each engine.
var millionRows = map[string]string{
	"sqlite":   `WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) INSERT INTO lead_outbox (%s) SELECT %s FROM g`,
	"postgres": `INSERT INTO lead_outbox (%[2]s) SELECT %[3]s FROM generate_series(1, %[1]d) AS g(n)`,
	"mysql":    `INSERT INTO lead_outbox (%[2]s) SELECT %[3]s FROM (SELECT seq AS n FROM seq_1_to_%[1]d) AS g`,
}

// BenchmarkBacklog measures what status, an idle daemon and a page of pull ask of a database in which a million rows
// wait. One round says it: go test ./internal/store -run NONE -bench Backlog -benchtime 1x
func BenchmarkBacklog(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		app := storetest.App(b, url)
		text := "'lead-' || n, 'lead.registered', 'Lead' || n || '@example.com', '" + `{"firstname":"Ada","company":"` + strings.Repeat("Analytical Engines ", 15) + `"}` + "'"
		if db.Dialect() == "mysql" {
			text = strings.ReplaceAll(strings.Replace(strings.Replace(text, "'lead-' || n", "concat('lead-', n)", 1), "'Lead' || n || '@example.com'", "concat('Lead', n, '@example.com')", 1), "||", "")
		}
		storetest.Exec(b, app, fmt.Sprintf(millionRows[db.Dialect()], backlogRows, "lead_id, event_type, email, properties", text))
		var addresses []string
		for i := range 200 {
			addresses = append(addresses, fmt.Sprintf("lead%d@example.com", 5000*i), fmt.Sprintf("nobody%d@example.com", i))
		}
		b.ResetTimer()
		for range b.N {
			for _, m := range []struct {
				name string
				f    func() error
			}{
				{"counts", func() error { _, err := db.Operator().Counts(b.Context()); return err }},
				{"page", func() error {
					found, err := db.View("default").PendingAddresses(b.Context(), addresses)
					if err == nil && len(found) != 199 {
						err = fmt.Errorf("%d addresses found", len(found))
					}
					return err
				}},
				{"poll", func() error {
					_, err := db.View("default").OldestWaiting(b.Context(), time.Now().UnixMilli(), outbox.Live, outbox.Backfill)
					return err
				}},
				{"skip", func() error {
					_, err := db.Operator().SkipRows(b.Context(), store.Selection{State: outbox.Pending})
					return err
				}},
			} {
				begun := time.Now()
				if err := m.f(); err != nil {
					b.Errorf("%s: %v", m.name, err)
				}
				b.ReportMetric(float64(time.Since(begun).Milliseconds()), m.name+"-ms")
			}
		}
	})
}
