package store_test

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"leadsync/internal/readme"
	"leadsync/internal/store/storetest"
)

// grants takes the statements of a block of SQL in migrations/README.md.
func grants(t *testing.T, head, user string) []string {
	t.Helper()
	block := readme.Between(t, "migrations/README.md", "```sql\n-- "+head, "```")
	_, block, _ = strings.Cut(block, "\n")
	var all []string
	for s := range strings.SplitSeq(block, ";") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, strings.Replace(s, " TO app", " TO "+user, 1))
		}
	}
	return all
}

// TestApplicationGrants: the README's grants are enough for what an application does, and for nothing that settles a
// row or reads what is not its own, on both servers.
func TestApplicationGrants(t *testing.T) {
	for _, c := range []struct {
		name, head, create, drop string
		make                     func(testing.TB) string
	}{
		{"postgres", "PostgreSQL", "CREATE ROLE %s LOGIN PASSWORD 'app'", "DROP OWNED BY %s; DROP ROLE %[1]s", storetest.Postgres},
		{"mysql", "MariaDB", "CREATE USER %s IDENTIFIED BY 'app'", "DROP USER %s", storetest.MySQL},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			admin := c.make(t)
			storetest.Open(t, admin)
			owner := storetest.App(t, admin)
			user := "leadsync_app_" + strings.ToLower(rand.Text()[:8])
			storetest.Exec(t, owner, fmt.Sprintf(c.create, user))
			t.Cleanup(func() { storetest.Exec(t, owner, fmt.Sprintf(c.drop, user)) })
			u, err := url.Parse(admin)
			if err != nil {
				t.Fatal("parse the URL")
			}
			space := strings.TrimPrefix(u.Path, "/") // the database, or the schema
			if _, schema, is := strings.Cut(u.Query().Get("options"), "search_path="); is {
				space = schema
			}
			for _, g := range grants(t, c.head, user) {
				storetest.Exec(t, owner, strings.NewReplacer("SCHEMA public", "SCHEMA "+space, "leads.", space+".").Replace(g))
			}
			storetest.Exec(t, owner, `INSERT INTO lead_inbox (portal, change_type, properties, pulled_at) VALUES ('default', 'contact.updated', '{}', 1), ('default', 'contact.updated', '{}', 1)`)
			u.User = url.UserPassword(user, "app")
			app := storetest.App(t, u.String())
			for _, text := range []string{
				`INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES ('42', 'lead.registered', 'ada@example.com', '{}')`,
				`INSERT INTO lead_outbox (portal, event_id, lead_id, event_type, email, properties, lane, occurred_at) VALUES ('default', 'e', '42', 'lead.updated', NULL, '{}', 'backfill', 1)`,
				`SELECT id, portal, lead_id, contact_id, email, change_type, properties, changed_at, pulled_at, acked_at FROM lead_inbox WHERE acked_at IS NULL ORDER BY id FOR UPDATE`,
				`UPDATE lead_inbox SET acked_at = 5 WHERE acked_at IS NULL`,
				`DELETE FROM lead_inbox WHERE acked_at IS NOT NULL`,
			} {
				if _, err := app.ExecContext(t.Context(), text); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
			refused := []string{
				`INSERT INTO lead_outbox (lead_id, state) VALUES ('42', 'delivered')`,
				`INSERT INTO lead_outbox (lead_id, contact_id) VALUES ('42', '901')`,
				`INSERT INTO lead_outbox (id, lead_id) VALUES (7, '42')`,
				`UPDATE lead_outbox SET state = 'pending'`,
				`DELETE FROM lead_outbox`,
				`SELECT email FROM lead_outbox`,
				`INSERT INTO lead_inbox (portal, change_type, properties, pulled_at) VALUES ('default', 'contact.updated', '{}', 1)`,
				`UPDATE lead_inbox SET properties = '{}'`,
				`DROP TABLE lead_outbox`,
				`CREATE TABLE mine (id INT)`,
			}
			for _, table := range []string{"tokens", "keys", "links", "portals", "tombstones", "schema"} {
				refused = append(refused, `SELECT * FROM leadsync_`+table, `DELETE FROM leadsync_`+table)
			}
			for _, text := range refused {
				if _, err := app.ExecContext(t.Context(), text); err == nil {
					t.Errorf("the application may: %s", text)
				}
			}
		})
	}
}
