package store

import "strings"

// mysqlText is the type of text in the statements; %COLLATION% is filled in when the server is known.
const mysqlText = ` CHARACTER SET utf8mb4 COLLATE %COLLATION% `

func withCollation(text, collation string) string {
	return strings.ReplaceAll(text, "%COLLATION%", collation)
}

const (
	// Lists arrive as argument 2, one JSON text, and are the outer loop of every join: STRAIGHT_JOIN keeps the order that
	// is written.
	mysqlIDs   = `JSON_TABLE(?2, '$[*]' COLUMNS (v BIGINT PATH '$')) AS j `
	mysqlTexts = `JSON_TABLE(?2, '$[*]' COLUMNS (v LONGTEXT` + mysqlText + `PATH '$')) AS j `
	mysqlLeads = `JSON_TABLE(?2, '$[*]' COLUMNS (nr FOR ORDINALITY, v VARCHAR(255)` + mysqlText + `PATH '$')) AS j `
	// FORCE INDEX does the same for the index, whatever the server believes about a table that was empty a minute ago.
	byReady   = `FORCE INDEX (lead_outbox_ready) `
	byLead    = `FORCE INDEX (lead_outbox_lead) `
	byEvent   = `FORCE INDEX (lead_outbox_event) `
	bySettled = `FORCE INDEX (lead_outbox_settled) `
	// unmerged keeps a subquery in FROM from being merged into what is around it.
	unmerged = ` LIMIT 1000000000`
	mysqlNow = `(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000)`
)

// mysqlPendingOf finds the id beyond the limit of each lead first; LIMIT in a joined subquery cannot depend on the lead
// here. Sorting the ids before the rows are read keeps texts out of the sort.
const mysqlPendingOf = `SELECT STRAIGHT_JOIN %COLUMNS% FROM (
    SELECT STRAIGHT_JOIN c.nr, p.id FROM (
      SELECT j.nr, j.v, (SELECT f.id FROM lead_outbox f ` + byLead + `WHERE f.portal = ?1 AND f.lead_id = j.v AND f.state = 'pending'
        ORDER BY f.id LIMIT 1 OFFSET ?3) AS beyond FROM ` + mysqlLeads + unmerged + `) AS c
    JOIN lead_outbox p ` + byLead + `ON p.portal = ?1 AND p.lead_id = c.v AND p.state = 'pending' AND (c.beyond IS NULL OR p.id < c.beyond)` + unmerged + `) AS k
  JOIN lead_outbox o ON o.id = k.id ORDER BY k.nr, k.id`

// mysqlStatements are the texts for a server with this collation. The columns of an entry are read as on PostgreSQL.
func mysqlStatements(collation string) *statements {
	all := columnsUpTo(postgresColumns, maxProperties)
	const ready = `SELECT id, left(lead_id, 256), not_before, created_at FROM lead_outbox ` + byReady + `WHERE portal = ?1 AND state = 'pending' AND backfill = `
	next := func(backfill string) string {
		return ready + backfill + ` AND not_before IS NULL AND id > ?2 ORDER BY id LIMIT ?3`
	}
	due := func(backfill string) string {
		return `(` + ready + backfill + ` AND not_before <= ?2 ORDER BY not_before, id LIMIT ?3)`
	}
	purge := func(reason string) string {
		return `DELETE o FROM (` + strings.Replace(oldestSettled(reason), `lead_outbox `, `lead_outbox `+bySettled, 1) + `) AS d STRAIGHT_JOIN lead_outbox o ON o.id = d.id`
	}
	s := &statements{
		readyLive:     next(`0`),
		readyBackfill: next(`1`),
		readyConsent:  next(`2`), // see the migration
		dueConsent:    due(`2`),
		dueAgain:      due(`0`) + ` UNION ALL ` + due(`1`) + ` ORDER BY not_before, id LIMIT ?3`,
		dueLive:       due(`0`),
		dueBackfill:   due(`1`),
		unpark: `UPDATE lead_outbox ` + byReady + `SET not_before = NULL
  WHERE portal = ?1 AND state = 'pending' AND backfill IN (0, 1, 2) AND not_before = ?2 LIMIT ?3`,
		pendingOf:  strings.Replace(mysqlPendingOf, `%COLUMNS%`, columnsUpTo(postgresColumns, inlineBytes), 1),
		properties: `SELECT STRAIGHT_JOIN o.id, o.properties FROM ` + first(mysqlIDs) + `JOIN lead_outbox o ON o.id = j.v`,
		entries:    `SELECT STRAIGHT_JOIN ` + all + ` FROM ` + first(mysqlIDs) + `JOIN lead_outbox o ON o.id = j.v ORDER BY j.v`,
		rowsOf: `SELECT STRAIGHT_JOIN ` + all + ` FROM (` + newestOf(`lead_outbox o `+byLead, `o.lead_id = ?2`) + `) AS k
  JOIN lead_outbox o ON o.id = k.id ORDER BY k.id DESC LIMIT ?3`,
		entryColumns: all,
		earlier: `SELECT STRAIGHT_JOIN o.id FROM ` + mysqlIDs + `JOIN lead_outbox o ON o.id = j.v
  WHERE o.portal = ?1 AND o.event_id <> '' AND EXISTS (SELECT 1 FROM lead_outbox p ` + byEvent + `WHERE p.portal = ?1 AND p.event_id = o.event_id
    AND p.id <> o.id AND ` + wasEarlier + `)`,
		links: `SELECT STRAIGHT_JOIN ` + linkColumns + ` FROM ` + strings.Replace(mysqlLeads, `?2`, `?3`, 1) + `
  JOIN leadsync_links k ON k.portal = ?1 AND k.hub_id = ?2 AND k.lead_id = j.v`,
		byAddress: `SELECT STRAIGHT_JOIN ` + linkColumns + ` FROM ` + mysqlTexts + `
  JOIN leadsync_links k FORCE INDEX (leadsync_links_address) ON k.hub_id = ?1 AND k.address = j.v WHERE k.address <> ''`,
		byContact: `SELECT STRAIGHT_JOIN ` + linkColumns + ` FROM ` + mysqlLeads + `
  JOIN leadsync_links k FORCE INDEX (leadsync_links_known) ON k.hub_id = ?1 AND k.contact_id = j.v WHERE k.contact_id <> ''`,
		lookAt: `SELECT ` + linkColumns + ` FROM leadsync_links FORCE INDEX (leadsync_links_look)
  WHERE portal = ?1 AND hub_id = ?2 AND second_look_at <= ?3 ORDER BY second_look_at LIMIT ?4`,
		owingAfter: mysqlOwing.Replace(owingAfter),
		owedCount:  mysqlOwing.Replace(owedCount),
		optOutDue: `SELECT ` + linkColumns + ` FROM leadsync_links FORCE INDEX (leadsync_links_opt_out)
  WHERE portal = ?1 AND hub_id = ?2 AND opt_out_due <= ?3 ORDER BY opt_out_due LIMIT ?4`,
		holders: `SELECT STRAIGHT_JOIN k.portal, k.lead_id, k.contact_id FROM ` + mysqlLeads + `
  JOIN leadsync_links k FORCE INDEX (leadsync_links_contact) ON k.hub_id = ?1 AND k.holds = j.v`,
		// Assignments are done from left to right, so the time looks at the id before it changes.
		fence: `UPDATE leadsync_portals SET high_seen_at = CASE WHEN ?2 > high_id THEN ?3 ELSE high_seen_at END, high_id = greatest(high_id, ?1)
  WHERE portal = ?4 AND epoch = ?5`,
		eventsThere: `SELECT j.v FROM ` + mysqlTexts + `WHERE EXISTS (SELECT 1 FROM lead_outbox p ` + byEvent + `WHERE p.portal = ?1 AND p.event_id = j.v)`,
		insert:      `(?,?,?,?,?,?,?,coalesce(?,` + mysqlNow + `))`,
		purgeBare:   purge(`reason IS NULL`),
		purgeReason: purge(`reason = ?5`),
		nextReason:  nextReason,
		// Leaps through the index, one a portal: DISTINCT would pass over every entry.
		portals: `WITH RECURSIVE p AS (SELECT min(portal) AS portal FROM lead_outbox
  UNION ALL SELECT (SELECT min(o.portal) FROM lead_outbox o WHERE o.portal > p.portal) FROM p WHERE p.portal IS NOT NULL) SELECT portal FROM p WHERE portal IS NOT NULL`,
		countPending: `SELECT portal, count(*), min(id) FROM lead_outbox ` + byReady + `WHERE portal = ?1 AND state = 'pending' AND id > 0 GROUP BY portal`,
		countSettled: `SELECT portal, state, coalesce(reason, ''), count(*) FROM lead_outbox ` + bySettled + `
  WHERE portal = ?1 AND (state < 'pending' OR state > 'pending') GROUP BY portal, state, reason`,
		strays:      straysByID,
		createdAt:   `SELECT created_at FROM lead_outbox WHERE id = ?1`,
		schemaTable: `SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'leadsync_schema'`,
		goneAfter:   strings.Replace(goneAfter, `leadsync_links `, `leadsync_links FORCE INDEX (leadsync_links_known) `, 1),
		linkedAfter: strings.Replace(linkedAfter, `leadsync_links `, `leadsync_links FORCE INDEX (leadsync_links_known) `, 1),
		pendingAddresses: `SELECT STRAIGHT_JOIN DISTINCT o.email FROM ` + mysqlLeads + `
  JOIN lead_outbox o FORCE INDEX (lead_outbox_address) ON o.portal = ?1 AND o.state = 'pending' AND o.address_key = j.v AND octet_length(o.email) <= 4096`,
		pendingOptOuts: `SELECT STRAIGHT_JOIN DISTINCT o.email, substr(o.lead_id, 1, 256) FROM ` + mysqlLeads + `
  JOIN lead_outbox o FORCE INDEX (lead_outbox_address) ON o.portal = ?1 AND o.state = 'pending' AND o.address_key = j.v
    AND o.event_type = 'lead.unsubscribed' AND octet_length(o.email) <= 4096`,
		inboxColumns: inboxColumns,
		unread:       unreadRows + skipLocked,
		told:         toldRows,
		purgeInbox:   `DELETE FROM lead_inbox WHERE portal = ?1 AND acked_at < ?2 ORDER BY acked_at LIMIT ?3`,
		leadMatch:    `o.lead_id = ? AND o.lead_id = ?`,
	}
	for _, text := range []*string{&s.pendingOf, &s.links, &s.byAddress, &s.byContact, &s.holders, &s.eventsThere, &s.pendingAddresses, &s.pendingOptOuts} {
		*text = withCollation(*text, collation)
	}
	return s
}

// first makes a list the first argument.
func first(list string) string { return strings.Replace(list, `?2`, `?1`, 1) }

func (d *mysqlDialect) sql() *statements { return d.statements }

// mysqlSettle writes a batch of outcomes; the list is the outer loop, rows are found by id.
const mysqlSettle = `UPDATE JSON_TABLE(?2, '$[*]' COLUMNS (id BIGINT PATH '$.i', state VARCHAR(32)` + mysqlText + `PATH '$.s',
    reason VARCHAR(32)` + mysqlText + `PATH '$.r', note LONGTEXT` + mysqlText + `PATH '$.n', attempts BIGINT PATH '$.a', not_before BIGINT PATH '$.b',
    contact_id LONGTEXT` + mysqlText + `PATH '$.c', correlation_id LONGTEXT` + mysqlText + `PATH '$.x', settled_at BIGINT PATH '$.t')) AS v
  STRAIGHT_JOIN lead_outbox o ON o.id = v.id SET o.state = v.state, o.reason = v.reason, o.note = v.note, o.attempts = v.attempts,
  o.not_before = v.not_before, o.contact_id = coalesce(v.contact_id, o.contact_id),
  o.correlation_id = coalesce(v.correlation_id, o.correlation_id), o.settled_at = v.settled_at
  WHERE o.state = 'pending' AND o.portal = ?1`

// mysqlOwing finds links that owe something by the column that stands in the index for the condition of the others'
// partial one.
var mysqlOwing = strings.NewReplacer(`owed IS NOT NULL`, `owes = 1`, `FROM leadsync_links `, `FROM leadsync_links FORCE INDEX (leadsync_links_owed) `)

// A link is found by its primary key alone. MariaDB takes any unique key for "the row is there", also that of the
// contact, and would write the new link over the one of the lead that holds the contact; then the subquery of two rows
// ends the statement (error 1242, myHeld), whatever the sql_mode.
const (
	mysqlUpsertHead = `INSERT INTO leadsync_links (` + linkColumns + `, updated_at) VALUES `
	mysqlUpsertTail = ` ON DUPLICATE KEY UPDATE
  portal = CASE WHEN portal = VALUES(portal) AND hub_id = VALUES(hub_id) AND lead_id = VALUES(lead_id) THEN portal ELSE (SELECT 1 UNION SELECT 2) END,
  state = VALUES(state), contact_id = VALUES(contact_id), address = VALUES(address), consent = VALUES(consent), consent_id = VALUES(consent_id),
  fields = VALUES(fields), applied_id = VALUES(applied_id), closed_at_id = VALUES(closed_at_id), second_look_at = VALUES(second_look_at),
  opt_out = VALUES(opt_out), opt_out_due = VALUES(opt_out_due), owed = VALUES(owed), updated_at = VALUES(updated_at)`
)
