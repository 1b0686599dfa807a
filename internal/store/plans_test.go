package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// many is the unit of the backlog.
const many = 2000

// mostRows is how many rows or index entries a statement about 100 leads or rows may touch; there are thousands of
// others.
const mostRows = 1900

// TestReadingDoesNotDependOnTheBacklog runs every statement of a batch or a poll against thousands of rows that wait or
// are settled, and counts what the engine touched: before the engine knows the size of its tables, and after it has
// looked.
func TestReadingDoesNotDependOnTheBacklog(t *testing.T) {
	for _, d := range []struct {
		name    string
		newURL  func(testing.TB) string
		analyze string
		touched func(*testing.T, *sql.Conn, store.Statement) int
	}{
		{"sqlite", storetest.SQLite, "ANALYZE", sqliteScans},
		{"postgres", storetest.Postgres, "ANALYZE", postgresRows},
		{"mysql", storetest.MySQL, "ANALYZE TABLE lead_outbox, lead_inbox, leadsync_links, leadsync_portals", mysqlReads},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			url := d.newURL(t)
			db := storetest.Open(t, url)
			app := storetest.App(t, url)
			statements := backlog(t, db, app)
			conn, err := app.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, known := range []bool{false, true} {
				if known {
					if _, err := conn.ExecContext(t.Context(), d.analyze); err != nil {
						t.Fatal(err)
					}
				}
				for _, s := range statements {
					most := mostRows
					if d.name == "mysql" && s.Name == "pendingOf one lead" {
						most += 2 * many // MariaDB looks at the index entries of that lead to leave out those beyond the limit
					}
					if n := d.touched(t, conn, s); n > most {
						t.Errorf("%s (sizes known: %t) touches %d rows\n%s", s.Name, known, n, s.Text)
					}
				}
			}
		})
	}
}

// backlog fills a database and returns the statements about a hundred of its leads.
func backlog(t *testing.T, db *store.DB, app *sql.DB) []store.Statement {
	fill := func(table, columns string, n int, row func(i int) string) {
		t.Helper()
		for from := 0; from < n; from += 1000 {
			var b strings.Builder
			for i := from; i < min(from+1000, n); i++ {
				b.WriteString(", (" + row(i) + ")")
			}
			storetest.Exec(t, app, "INSERT INTO "+table+" ("+columns+") VALUES "+b.String()[2:])
		}
	}
	fill("lead_outbox", "lead_id, event_id, state, reason, settled_at", 5*many, func(i int) string {
		state, reason := "'delivered'", "NULL"
		if i%5 == 0 {
			state, reason = "'dead'", "'refused'"
		}
		return fmt.Sprintf("'s%d', 'es%d', %s, %s, %d", i, i, state, reason, 10*i)
	})
	fill("lead_outbox", "lead_id, event_id, lane", 3*many, func(i int) string { return fmt.Sprintf("'b%d', 'eb%d', 'backfill'", i, i) })
	fill("lead_outbox", "lead_id, event_id, not_before", many, func(i int) string { return fmt.Sprintf("'p%d', 'ep%d', 4611686018427387903", i, i) })
	fill("lead_outbox", "lead_id, event_id, not_before", many, func(i int) string { return fmt.Sprintf("'d%d', 'ed%d', %d", i, i, 10*i) })
	fill("lead_outbox", "lead_id, event_id", 2*many, func(i int) string { return fmt.Sprintf("'v%d', 'ev%d'", i, i) })
	fill("lead_outbox", "lead_id, event_id", many, func(i int) string { return "'one lead', 'one event'" })
	fill("lead_outbox", "lead_id, event_type", many, func(i int) string { return fmt.Sprintf("'u%d', 'lead.unsubscribed'", i) })
	fill("lead_outbox", "lead_id, event_type, not_before", many, func(i int) string { return fmt.Sprintf("'w%d', 'lead.unsubscribed', %d", i, 10*i) })
	fill("leadsync_links", "portal, hub_id, lead_id, state, contact_id, address, second_look_at, opt_out_due, owed", 2*many, func(i int) string {
		return fmt.Sprintf("'default', 1, 'v%d', '%s', '%d', 'v%d@example.com', %d, %d, %s", i, []string{"linked", "passive"}[i%2], i, i, 100*i, 100*i, []string{"1", "NULL", "NULL", "NULL"}[i%4])
	})
	fill("lead_inbox", "lead_id, change_type, properties, acked_at", 10*many, func(i int) string { return fmt.Sprintf("'v%d', 'contact.updated', '{}', %d", i, 10*i) })
	storetest.Exec(t, app, "INSERT INTO leadsync_portals (portal, epoch) VALUES ('default', 1)")
	var leads, contacts, addresses, events []string
	var ids []int64
	for i := range 100 {
		leads, contacts = append(leads, fmt.Sprint("v", 500+i)), append(contacts, fmt.Sprint(500+i))
		addresses, events = append(addresses, fmt.Sprintf("v%d@example.com", 500+i)), append(events, fmt.Sprint("ev", 500+i))
		ids = append(ids, int64(10*many+500+i+1))
	}
	events = append(events, "one event")
	var one int64
	if err := app.QueryRowContext(t.Context(), "SELECT max(id) FROM lead_outbox").Scan(&one); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, one)
	return db.HotStatements("default", leads, contacts, addresses, events, ids)
}

// sqliteScans counts a scan of a whole table or index, and a sort, as more than the most; the engine has no counters.
func sqliteScans(t *testing.T, conn *sql.Conn, s store.Statement) int {
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s.Text, s.Args...)
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
		return 0
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		scan := strings.HasPrefix(step, "SCAN lead") || strings.HasPrefix(step, "SCAN o") || strings.HasPrefix(step, "SCAN p")
		if scan || strings.HasSuffix(step, "(portal=?)") && !strings.Contains(step, "leadsync_portals") {
			t.Logf("%s: %s", s.Name, step)
			n += mostRows + 1
		}
	}
	return n
}

// postgresRows adds up the rows that the scans of the plan returned or threw away, and runs the statement with both
// kinds of plan.
func postgresRows(t *testing.T, conn *sql.Conn, s store.Statement) (worst int) {
	type node struct {
		Type    string  `json:"Node Type"`
		Rows    float64 `json:"Actual Rows"`
		Loops   float64 `json:"Actual Loops"`
		Removed float64 `json:"Rows Removed by Filter"`
		Joined  float64 `json:"Rows Removed by Join Filter"`
		Index   string  `json:"Index Name"`
		Cond    string  `json:"Index Cond"`
		Plans   []node
	}
	var steps []string
	var sum func(n node) float64
	sum = func(n node) float64 {
		steps = append(steps, fmt.Sprintf("%s %s %s: %.0f loops of %.0f rows, %.0f thrown away", n.Type, n.Index, n.Cond, n.Loops, n.Rows, n.Removed+n.Joined))
		total := n.Loops * (n.Removed + n.Joined/100) // pairs are compared in memory
		if strings.HasSuffix(n.Type, "Scan") && n.Type != "Function Scan" {
			total += n.Loops * n.Rows
		}
		for _, p := range n.Plans {
			total += sum(p)
		}
		return total
	}
	for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
		tx, err := conn.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var text string
		_, err = tx.ExecContext(t.Context(), "SET LOCAL plan_cache_mode = "+mode)
		if err == nil {
			err = tx.QueryRowContext(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+s.Text, s.Args...).Scan(&text)
		}
		_ = tx.Rollback()
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			return 0
		}
		var plan []struct{ Plan node }
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			t.Fatal(err)
		}
		steps = nil
		if n := int(sum(plan[0].Plan)); n > worst {
			worst = n
			if n > mostRows {
				t.Log(strings.Join(steps, "\n"))
			}
		}
	}
	return worst
}

// mysqlReads is the difference of the session's counters of rows and index entries.
func mysqlReads(t *testing.T, conn *sql.Conn, s store.Statement) int {
	count := func() (n int) {
		rows, err := conn.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler\\_read%' OR Variable_name = 'Handler_icp_attempts'")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var v int
			if err := rows.Scan(&name, &v); err != nil {
				t.Fatal(err)
			}
			n += v
		}
		return n
	}
	tx, err := conn.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	before := count()
	own := count() - before // what asking costs
	before += own
	rows, err := tx.QueryContext(t.Context(), s.Text, s.Args...)
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
		return 0
	}
	for rows.Next() {
	}
	_ = rows.Close()
	return count() - before - own
}
