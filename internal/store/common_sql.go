package store

import (
	"strconv"
	"strings"

	"leadsync/internal/outbox"
)

const (
	// maxProperties is the largest properties text that is loaded.
	maxProperties = outbox.MaxPropertiesBytes
	// inlineBytes is the largest one that comes along when all pending rows of many leads are read; larger ones are
	// fetched for those rows alone that fit the caller's limit.
	inlineBytes = 64 << 10
)

// columnsUpTo fills in the limits: that of properties, and of every other text as %TEXT(column)%, which reads as NULL
// beyond it; %LARGE% names the first such column.
func columnsUpTo(columns string, limit int) string {
	columns = strings.ReplaceAll(columns, "%PROPERTIES%", strconv.Itoa(limit))
	most := strconv.Itoa(outbox.MaxTextBytes)
	var large strings.Builder
	large.WriteString("CASE")
	for _, c := range []string{"lead_id", "event_type", "email", "event_id"} {
		large.WriteString(" WHEN octet_length(o." + c + ") > " + most + " THEN '" + c + "'")
	}
	large.WriteString(" ELSE '' END")
	columns = strings.ReplaceAll(columns, "%LARGE%", large.String())
	for {
		before, rest, found := strings.Cut(columns, "%TEXT(")
		if !found {
			return columns
		}
		column, after, _ := strings.Cut(rest, ")%")
		columns = before + "CASE WHEN octet_length(o." + column + ") <= " + most + " THEN " + castText(columns, "o."+column) + " END" + after
	}
}

// castText makes text of what an application left in a text column of SQLite; the servers keep to their types.
func castText(columns, column string) string {
	if strings.Contains(columns, "typeof(") {
		return "CAST(" + column + " AS TEXT)"
	}
	return column
}

// linkColumns is the order in which links are read and written.
const linkColumns = `portal, hub_id, lead_id, state, contact_id, address, consent, consent_id, fields, applied_id, closed_at_id, second_look_at, opt_out, opt_out_due, owed`

// holds and knows are the conditions of the two partial indexes over contacts, word for word.
const (
	holds = `state IN ('linked', 'gone') AND contact_id <> ''`
	knows = `state NOT IN ('linked', 'gone') AND contact_id <> ''`
)

// consentTypes are the event types of the unsubscribe lane, word for word as in the conditions of the partial indexes.
const consentTypes = `('lead.unsubscribed', 'lead.resubscribed')`

// upsertTail ends the statement that writes links.
const upsertTail = ` ON CONFLICT (portal, hub_id, lead_id) DO UPDATE SET state = excluded.state, contact_id = excluded.contact_id,
  address = excluded.address, consent = excluded.consent, consent_id = excluded.consent_id, fields = excluded.fields,
  applied_id = excluded.applied_id, closed_at_id = excluded.closed_at_id, second_look_at = excluded.second_look_at,
  opt_out = excluded.opt_out, opt_out_due = excluded.opt_out_due, owed = excluded.owed, updated_at = excluded.updated_at`

// wasEarlier says when row p makes row o, of the same event id, a duplicate. A row that itself ended as a duplicate
// does not count unless it is the lower one: else two rows of which an operator requeued one would each be the other's
// duplicate, and the event would be lost.
const wasEarlier = `(p.id < o.id OR p.state = 'delivered' OR (p.state = 'skipped' AND coalesce(p.reason, '') <> 'duplicate'))`

// newestOf selects the newest ids of a lead (arguments 1 portal, 2 lead, 3 limit) from the table, whose alias is o, by
// the condition on the lead; state by state, because the index has the state in front of the id.
func newestOf(table, lead string) string {
	var b strings.Builder
	for i, state := range []outbox.State{outbox.Pending, outbox.Delivered, outbox.Skipped, outbox.Dead} {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT id FROM (SELECT o.id FROM " + table + " WHERE o.portal = ?1 AND " + lead + " AND o.state = '" + string(state) +
			"' ORDER BY o.id DESC LIMIT ?3) AS s" + strconv.Itoa(i))
	}
	return b.String()
}

// oldestSettled selects ids for retention (arguments 1 portal, 2 state, 3 before, 4 limit) by a condition on the
// reason. The condition on pending lets the partial index serve; the order is the whole index's, since PostgreSQL does
// not see that the reason is constant.
func oldestSettled(reason string) string {
	return `SELECT id FROM lead_outbox WHERE portal = ?1 AND state = ?2 AND state <> 'pending' AND ` + reason + ` AND settled_at < ?3
  ORDER BY reason, settled_at LIMIT ?4`
}

// goneAfter and linkedAfter keep to the index over contacts, whose condition they repeat.
const (
	goneAfter   = linksAfter + ` AND state = 'gone' AND contact_id > ?3 ORDER BY contact_id LIMIT ?4`
	linkedAfter = linksAfter + ` AND state = 'linked' AND contact_id > ?3 ORDER BY contact_id LIMIT ?4`
	linksAfter  = `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ?1 AND hub_id = ?2 AND ` + holds
)

// Links that owe something, by lead, and how many they are, with the index whose condition they repeat.
const (
	owingAfter = `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ?1 AND hub_id = ?2 AND owed IS NOT NULL AND lead_id > ?3 ORDER BY lead_id LIMIT ?4`
	owedCount  = `SELECT count(*), coalesce(sum(s.owed), 0) FROM (SELECT owed FROM leadsync_links WHERE portal = ?1 AND hub_id = ?2 AND owed IS NOT NULL LIMIT ?3) AS s`
)

// inboxColumns is the order of InboxRow.
const inboxColumns = `id, portal, lead_id, contact_id, email, coalesce(change_type, ''), coalesce(properties, ''), changed_at, coalesce(pulled_at, 0), acked_at`

// Changes told of one lead (arguments 1 portal, 2 lead). Those that the application's reader has locked are being
// applied: it looks for itself whether a later event of its own carries the field.
const (
	unreadRows = `SELECT id, properties FROM lead_inbox WHERE portal = ?1 AND lead_id = ?2 AND acked_at IS NULL AND change_type = 'contact.updated'`
	skipLocked = ` FOR UPDATE SKIP LOCKED`
	toldRows   = `SELECT properties, acked_at FROM lead_inbox WHERE portal = ?1 AND lead_id = ?2 AND change_type = 'contact.updated' ORDER BY id DESC`
)

// nextReason reads one entry of the index, see statements.
const nextReason = `SELECT (SELECT reason FROM lead_outbox WHERE portal = ?1 AND state = ?2 AND state <> 'pending' AND reason > ?3
  ORDER BY reason LIMIT 1)`

// straysByID counts the pending rows that reading by id never meets; a thousand stands for more. The range, the order
// and the limit lead through the primary key, whatever the engine believes of a table that it has not looked at yet.
const straysByID = `SELECT portal, '` + StrayID + `', count(*) FROM (
    SELECT portal, state FROM lead_outbox WHERE id BETWEEN -9223372036854775807 AND 0 ORDER BY id LIMIT 1000) AS s
  WHERE state = 'pending' GROUP BY portal`

// countParts counts the pending rows of each portal, with the lowest id, from each partial index over them, without
// strays.
func countParts(contact, consent string) string {
	var parts []string
	for _, which := range []string{`not_before IS NULL AND lane <> 'backfill' AND ` + contact, `not_before IS NULL AND lane = 'backfill' AND ` + contact,
		`not_before IS NOT NULL AND ` + contact, `not_before IS NULL AND ` + consent, `not_before IS NOT NULL AND ` + consent} {
		parts = append(parts, `SELECT portal, count(*) AS n, min(id) AS first FROM lead_outbox WHERE state = 'pending' AND id > 0 AND `+which+` GROUP BY portal`)
	}
	return strings.Join(parts, ` UNION ALL `)
}
