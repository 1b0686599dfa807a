package store_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// batch is HubSpot's: one settlement a request.
const batch = 100

// eachDialect runs a benchmark on each engine that is there.
func eachDialect(b *testing.B, f func(b *testing.B, url string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { f(b, storetest.Postgres(b)) })
	b.Run("mysql", func(b *testing.B) { f(b, storetest.MySQL(b)) })
}

// fill adds rows of distinct leads and returns their ids in order.
func fill(b *testing.B, db *store.DB, from, n int) {
	b.Helper()
	rows := make([]outbox.Entry, 0, n)
	typ := "lead.registered"
	for i := range n {
		id, mail := fmt.Sprint("lead-", from+i), fmt.Sprintf("lead%d@example.com", from+i)
		properties := fmt.Sprintf(`{"firstname":"Ada","lastname":"Number %d","company":"Analytical Engines","city":"London","plan":"large","score":%d}`, from+i, i)
		rows = append(rows, outbox.Entry{LeadID: &id, Email: &mail, Type: &typ, Properties: &properties})
	}
	if _, _, err := db.Operator().Add(b.Context(), rows); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSettle is one operation a row: outcome, link with a ledger of seven fields, high id; 100 rows a transaction.
func BenchmarkSettle(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		l, err := db.Acquire(b.Context(), "default", "bench")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Release(b.Context())
		mine := db.Portal(l, store.PortalConfig{})
		for from := 0; from < b.N; from += 10_000 {
			fill(b, db, from, min(10_000, b.N-from))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for from := 0; from < b.N; from += batch {
			s := settlement.Settlement{}
			for i := from; i < min(from+batch, b.N); i++ {
				s.Outcomes = append(s.Outcomes, outbox.Outcome{ID: outbox.EntryID(i + 1), State: outbox.Delivered, ContactID: lead.ContactID(fmt.Sprint(1000 + i))})
				s.Links = append(s.Links, benchLink(i))
			}
			s.High.ID = outbox.EntryID(from + batch)
			if _, err := mine.Settle(b.Context(), s); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

func benchLink(i int) ledger.Link {
	mail := fmt.Sprintf("lead%d@example.com", i)
	fields := map[string]ledger.Field{"email": {Sent: mail, Seen: mail, Shown: true, Set: int64(i + 1)}}
	for _, k := range []string{"firstname", "lastname", "company", "city", "plan", "score"} {
		fields[k] = ledger.Field{Sent: "some value", Seen: "some value", Shown: true, Set: int64(i + 1)}
	}
	return ledger.Link{Portal: "default", HubID: 1, LeadID: lead.ID(fmt.Sprint("lead-", i)), State: ledger.Linked,
		ContactID: lead.ContactID(fmt.Sprint(1000 + i)), Address: mail, Fields: fields, AppliedID: int64(i + 1)}
}

// BenchmarkRead is one operation a row: scan of the lane, then the pending rows and links of 100 leads at a time.
func BenchmarkRead(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		l, err := db.Acquire(b.Context(), "default", "bench")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Release(b.Context())
		mine := db.Portal(l, store.PortalConfig{})
		const rows = 10_000
		fill(b, db, 0, rows)
		for from := 0; from < rows; from += 1000 {
			s := settlement.Settlement{}
			for i := from; i < from+1000; i++ {
				s.Links = append(s.Links, benchLink(i))
			}
			if _, err := mine.Settle(b.Context(), s); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		for n := 0; n < b.N; n += batch {
			ready, err := db.View("default").Ready(b.Context(), outbox.Live, outbox.EntryID(n%rows), batch)
			if err != nil || len(ready) != batch {
				b.Fatal(len(ready), err)
			}
			leads := make([]lead.ID, len(ready))
			for i := range ready {
				leads[i] = ready[i].Lead()
			}
			of, err := db.View("default").PendingOf(b.Context(), leads, 1000, 8<<20)
			if err != nil || len(of) != batch {
				b.Fatal(len(of), err)
			}
			links, err := db.View("default").Links(b.Context(), 1, leads)
			if err != nil || len(links) != batch {
				b.Fatal(len(links), err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// BenchmarkWake is the time from the commit of a row by another connection to the hint, with pauses of up to a tenth of
// a second between them.
func BenchmarkWake(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		app := storetest.App(b, url)
		hints := db.Wakes(b.Context(), true)
		pause := time.NewTimer(0)
		took := make([]time.Duration, 0, b.N)
		for range b.N {
			pause.Reset(time.Second/2 + rand.N(100*time.Millisecond))
			for waiting := true; waiting; { // hints of before
				select {
				case <-hints:
				case <-pause.C:
					waiting = false
				}
			}
			storetest.Exec(b, app, `INSERT INTO lead_outbox (lead_id) VALUES ('a')`)
			begun := time.Now()
			<-hints
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkMillion fills a database with a million rows that are settled, or that wait as an import wrote them, and
// measures what a daemon does at its start and in every poll. Run it once (-benchtime 1x); it takes a minute for each
// engine.
func BenchmarkMillion(b *testing.B) {
	for _, pending := range []bool{false, true} {
		name := "settled"
		if pending {
			name = "pending"
		}
		b.Run(name, func(b *testing.B) { eachDialect(b, func(b *testing.B, url string) { million(b, url, pending) }) })
	}
}

func million(b *testing.B, url string, pending bool) {
	const rows = 1_000_000
	db := storetest.Open(b, url)
	app := storetest.App(b, url)
	fillMillion(b, db.Dialect(), app, rows, pending)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var steps [4]time.Duration
	for range b.N {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		at := time.Now()
		step := func(i int) { steps[i] += time.Since(at); at = time.Now() }
		db, err := store.Open(b.Context(), url, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := db.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		step(0)
		if _, err := db.Operator().Unpark(b.Context(), "default"); err != nil {
			b.Fatal(err)
		}
		step(1)
		counts, err := db.Operator().Counts(b.Context())
		if err != nil || len(counts) == 0 {
			b.Fatal(len(counts), err)
		}
		step(2)
		after0 := outbox.EntryID(0)
		for range 100 { // the reader's loop
			ready, err := db.View("default").Ready(b.Context(), outbox.Backfill, after0, 1000)
			if err != nil {
				b.Fatal(err)
			}
			leads := make([]lead.ID, 0, 300)
			for i := range ready {
				after0 = ready[i].ID
				if leads = append(leads, ready[i].Lead()); len(leads) == 300 {
					break
				}
			}
			if _, err := db.View("default").PendingOf(b.Context(), leads, 2000, 4<<20); err != nil {
				b.Fatal(err)
			}
		}
		step(3)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MiB-held")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for i, name := range []string{"open+schema-ms", "unpark-ms", "count-ms", "100-reads-of-300-ms"} {
		b.ReportMetric(float64(steps[i].Microseconds())/1000/float64(b.N), name)
	}
	b.ReportMetric(float64(rss())/1024, "RSS-MiB")
}

// fillMillion writes rows by one statement of the engine.
func fillMillion(b *testing.B, dialect string, app *sql.DB, rows int, pending bool) {
	numbers := map[string]string{
		"sqlite":   fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT`, rows),
		"postgres": `SELECT`, "mysql": `SELECT`}[dialect]
	from := map[string]string{"sqlite": `n`, "postgres": fmt.Sprintf(`generate_series(1, %d) AS n(i)`, rows),
		"mysql": fmt.Sprintf(`(SELECT seq AS i FROM seq_1_to_%d) AS n`, rows)}[dialect]
	join := func(parts ...string) string {
		if dialect == "mysql" {
			return "concat(" + strings.Join(parts, ", ") + ")"
		}
		return strings.Join(parts, " || ")
	}
	lane, state, reason, settled := `'live'`, `CASE i % 10 WHEN 0 THEN 'skipped' WHEN 1 THEN 'dead' ELSE 'delivered' END`,
		`CASE i % 10 WHEN 0 THEN 'unchanged' WHEN 1 THEN 'refused' END`, `1764000000000 + i`
	if pending {
		lane, state, reason, settled = `'backfill'`, `'pending'`, `NULL`, `NULL`
	}
	if settled == `NULL` && dialect == "postgres" {
		settled = `NULL::bigint`
	}
	storetest.Exec(b, app, `INSERT INTO lead_outbox (lead_id, event_type, email, event_id, properties, lane, state, reason, settled_at) `+numbers+` `+
		join(`'lead-'`, `i`)+`, 'lead.registered', `+join(`'lead'`, `i`, `'@example.com'`)+`, `+join(`'import:'`, `i`)+`, `+
		join(`'{"firstname":"Ada","lastname":"Number '`, `i`, `'","company":"Analytical Engines","city":"London"}'`)+`, `+
		lane+`, `+state+`, `+reason+`, `+settled+` FROM `+from)
}

// rss is the most memory this process had, in KiB.
func rss() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Maxrss
}

// BenchmarkAdd is one operation a row of an import, 500 a transaction, each with an event id.
func BenchmarkAdd(b *testing.B) {
	eachDialect(b, func(b *testing.B, url string) {
		db := storetest.Open(b, url)
		b.ResetTimer()
		for from := 0; from < b.N; from += 500 {
			rows := make([]outbox.Entry, min(500, b.N-from))
			for i := range rows {
				id, event := fmt.Sprint(from+i), fmt.Sprint("import:", from+i)
				rows[i] = outbox.Entry{LeadID: &id, EventID: &event}
			}
			if _, _, err := db.Operator().Add(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
