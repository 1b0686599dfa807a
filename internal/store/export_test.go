package store

import (
	"context"
	"database/sql"
	"strings"

	"leadsync/internal/outbox"
)

// Statement is a literal statement as the driver gets it.
type Statement struct {
	Name, Text string
	Args       []any
}

// HotStatements are the statements that run for every batch or every poll, with arguments for these leads (whose
// contacts and addresses are in the links of hub 1), ids and events. Outcomes write what stands there already.
func (db *DB) HotStatements(portal string, leads, contacts, addresses, events []string, ids []int64) []Statement {
	d, s := db.dialect, db.dialect.sql()
	outcomes := make([]outbox.Outcome, len(ids))
	for i, id := range ids {
		outcomes[i] = outbox.Outcome{ID: outbox.EntryID(id), State: outbox.Delivered}
	}
	settle := d.settle(portal, outcomes, 1)
	all := []Statement{
		{"readyLive", s.readyLive, []any{portal, 0, 100}},
		{"readyBackfill", s.readyBackfill, []any{portal, 0, 100}},
		{"dueAgain", s.dueAgain, []any{portal, 1000, 100}},
		{"readyConsent", s.readyConsent, []any{portal, 0, 100}},
		{"dueConsent", s.dueConsent, []any{portal, 1000, 100}},
		{"owingAfter", s.owingAfter, []any{portal, 1, "", 100}},
		{"owedCount", s.owedCount, []any{portal, 1, 100}},
		{"optOutDue", s.optOutDue, []any{portal, 1, 1000, 100}},
		{"pendingOf", s.pendingOf, []any{portal, d.texts(leads), 1001}},
		{"pendingOf one lead", s.pendingOf, []any{portal, d.texts([]string{"one lead"}), 11}},
		{"properties", s.properties, []any{d.ids(ids)}},
		{"entries", s.entries, []any{d.ids(ids)}},
		{"rowsOf", s.rowsOf, []any{portal, leads[0], 100}},
		{"earlier", s.earlier, []any{portal, d.ids(ids)}},
		{"eventsThere", s.eventsThere, []any{portal, d.texts(events)}},
		{"links", s.links, []any{portal, 1, d.texts(leads)}},
		{"byAddress", s.byAddress, []any{1, d.texts(addresses)}},
		{"linkedAfter", s.linkedAfter, []any{"default", 1, "", 100}},
		{"byContact", s.byContact, []any{1, d.texts(contacts)}},
		{"holders", s.holders, []any{1, d.texts(contacts)}},
		{"pendingAddresses", s.pendingAddresses, []any{portal, d.texts(append(addresses, ""))}},
		{"pendingOptOuts", s.pendingOptOuts, []any{portal, d.texts(append(addresses, ""))}},
		{"strays by id", straysOf(d), nil},
		{"createdAt", s.createdAt, []any{ids[0]}},
		{"lookAt", s.lookAt, []any{portal, 1, 1000, 100}},
		{"fence", s.fence, []any{0, 0, 1, portal, 1}},
		{"settle", settle.text, settle.args},
		{"unpark", s.unpark, []any{portal, outbox.Parked, 100}},
		{"cut waits", beyond(s.unpark), []any{portal, 1 << 60, 100}},
		{"lookAt beyond", beyond(s.lookAt), []any{portal, 1, 1 << 60, 100}},
		{"optOutDue beyond", beyond(s.optOutDue), []any{portal, 1, 1 << 60, 100}},
		{"purgeBare", s.purgeBare, []any{portal, "delivered", 1000, 100}},
		{"purgeReason", s.purgeReason, []any{portal, "dead", 1000, 100, "refused"}},
		{"nextReason", s.nextReason, []any{portal, "dead", ""}},
		{"purgeInbox", s.purgeInbox, []any{portal, 1000, 100}},
		{"highID", `SELECT coalesce(max(id), 0) FROM lead_outbox`, nil},
	}
	for i := range all {
		all[i].Text, all[i].Args = d.bind(all[i].Text, all[i].Args)
	}
	return all
}

// Writer is the pool that writes.
func (db *DB) Writer() *sql.DB { return db.write }

// InTx is inTx.
func (db *DB) InTx(ctx context.Context, f func(*sql.Tx) error) error { return db.inTx(ctx, f) }

// SetSmallFile changes how large a file is written anew without looking, until the returned function is called.
func SetSmallFile(n int64) func() {
	was := smallFile
	smallFile = n
	return func() { smallFile = was }
}

// MigrateTo brings the schema to a version.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	_, _, err := db.migrateTo(ctx, version)
	return err
}

// SetLargeTable changes from which size PostgreSQL makes an index while inserts go on.
func SetLargeTable(n int64) (was int64) { was, largeTable = largeTable, n; return was }

// straysOf is the part of the statement that must not pass over rows that are well.
func straysOf(d dialect) string {
	text, _, _ := strings.Cut(d.sql().strays, " UNION ALL ")
	return text
}
