package store

import (
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/outbox"
)

// sqliteColumns reads an entry. Column types are only a hint to SQLite: an application can leave text in a BIGINT
// column, and such a value reads as absent. %PROPERTIES% is replaced by the limit up to which properties are loaded.
const sqliteColumns = `o.id, o.portal, %TEXT(event_id)%, %TEXT(lead_id)%, %TEXT(event_type)%, %TEXT(email)%, %LARGE%,
  CASE WHEN octet_length(o.properties) <= %PROPERTIES% THEN CAST(o.properties AS TEXT) END, coalesce(octet_length(o.properties), 0),
  coalesce(%TEXT(lane)%, 'live'), CASE typeof(o.occurred_at) WHEN 'integer' THEN o.occurred_at WHEN 'real' THEN CAST(o.occurred_at AS INTEGER) END,
  CASE typeof(o.created_at) WHEN 'integer' THEN o.created_at ELSE 0 END,
  o.state, %TEXT(reason)%, %TEXT(note)%, CASE typeof(o.attempts) WHEN 'integer' THEN o.attempts ELSE 0 END,
  CASE typeof(o.not_before) WHEN 'integer' THEN o.not_before END, %TEXT(contact_id)%, %TEXT(correlation_id)%,
  CASE typeof(o.settled_at) WHEN 'integer' THEN o.settled_at END`

// sqliteLead is the indexed form of a lead id. substr ends at a NUL in text, so the condition on the whole id always
// stands beside it, and Ready cuts the bytes instead.
const sqliteLead = `substr(CAST(o.lead_id AS TEXT), 1, 255)`

// sqliteTime is a time that can be compared; an application can leave text in any column.
const sqliteTime = `typeof(not_before) IN ('integer', 'real')`

// sqliteAddress is the indexed form of an address, see addressKey.
const sqliteAddress = `CASE WHEN length(CAST(p.email AS BLOB)) > 4096 THEN '' WHEN CAST(p.email AS TEXT) GLOB '*[^ -~]*' OR length(CAST(p.email AS TEXT)) <> length(CAST(p.email AS BLOB)) THEN ''
  ELSE substr(lower(trim(CAST(p.email AS TEXT))), 1, 255) END`

// sqliteReadyLead is a lead id as Ready reads it. One that is very long is not loaded: anything longer than an id may
// be stands for it.
const sqliteReadyLead = `CASE WHEN octet_length(lead_id) > 4096 THEN hex(zeroblob(128)) ELSE CAST(substr(CAST(lead_id AS BLOB), 1, 256) AS TEXT) END`

// The rows of the unsubscribe lane and those of the contact lane, word for word as in the conditions of the partial
// indexes.
const (
	sqliteConsent = `coalesce(CAST(event_type AS TEXT), '') IN ` + consentTypes
	sqliteContact = `coalesce(CAST(event_type AS TEXT), '') NOT IN ` + consentTypes
)

// sqliteStatements say LIMIT +?: the engine plans by the value of a bare LIMIT ?, so it compiles a kept statement again
// each time that it is used.
var sqliteStatements = func() *statements {
	all := columnsUpTo(sqliteColumns, maxProperties)
	ready := func(lane string) string {
		return `SELECT id, ` + sqliteReadyLead + `, not_before,
  CASE typeof(created_at) WHEN 'integer' THEN created_at ELSE 0 END FROM lead_outbox
  WHERE portal = ? AND state = 'pending' AND not_before IS NULL AND ` + lane + ` AND id > ? ORDER BY id LIMIT +?`
	}
	due := func(which string) string {
		return `SELECT id, ` + sqliteReadyLead + `, CAST(not_before AS INTEGER),
  CASE typeof(created_at) WHEN 'integer' THEN created_at ELSE 0 END FROM lead_outbox
  WHERE portal = ? AND state = 'pending' AND not_before IS NOT NULL AND ` + which + ` AND not_before <= ? ORDER BY not_before, id LIMIT +?`
	}
	waiting := func(what, which string) string {
		return `SELECT ` + what + ` FROM lead_outbox WHERE portal = ?1 AND state = 'pending' AND not_before IS NOT NULL AND ` + which
	}
	return &statements{
		readyLive:     ready(`lane <> 'backfill' AND ` + sqliteContact),
		readyBackfill: ready(`lane = 'backfill' AND ` + sqliteContact),
		readyConsent:  ready(sqliteConsent),
		dueAgain:      due(sqliteContact),
		dueLive:       due(sqliteContact + ` AND lane <> 'backfill'`),
		dueBackfill:   due(sqliteContact + ` AND lane = 'backfill'`),
		dueConsent:    due(sqliteConsent),
		unpark: `UPDATE lead_outbox SET not_before = NULL WHERE id IN (SELECT * FROM (` + waiting(`id`, sqliteContact) + ` AND not_before = ?2 LIMIT +?3)
  UNION ALL SELECT * FROM (` + waiting(`id`, sqliteConsent) + ` AND not_before = ?2 LIMIT +?3))`,
		pendingOf: `SELECT ` + columnsUpTo(sqliteColumns, inlineBytes) + ` FROM json_each(?2) j CROSS JOIN lead_outbox o
  ON o.id IN (SELECT p.id FROM lead_outbox p WHERE p.portal = ?1 AND substr(CAST(p.lead_id AS TEXT), 1, 255) = j.value
    AND CAST(p.lead_id AS TEXT) = j.value AND p.state = 'pending' ORDER BY p.id LIMIT +?3)
  ORDER BY j.key, o.id`,
		properties: `SELECT o.id, CAST(o.properties AS TEXT) FROM json_each(?) j CROSS JOIN lead_outbox o ON o.id = j.value`,
		entries:    `SELECT ` + all + ` FROM lead_outbox o WHERE o.id IN (SELECT value FROM json_each(?)) ORDER BY o.id`,
		rowsOf: `SELECT ` + all + ` FROM lead_outbox o WHERE o.id IN (` + newestOf(`lead_outbox o`, sqliteLead+` = substr(?2, 1, 255) AND CAST(o.lead_id AS TEXT) = ?2`) + `)
  ORDER BY o.id DESC LIMIT +?3`,
		entryColumns: all,
		shrink:       sqliteShrink(),
		earlier: `SELECT o.id FROM json_each(?2) j CROSS JOIN lead_outbox o ON o.id = j.value
  WHERE o.portal = ?1 AND o.event_id <> '' AND EXISTS (SELECT 1 FROM lead_outbox p WHERE p.portal = ?1 AND p.event_id IS NOT NULL
    AND substr(p.event_id, 1, 255) = substr(o.event_id, 1, 255) AND p.event_id = o.event_id AND p.id <> o.id AND ` + wasEarlier + `)`,
		links:     `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ? AND hub_id = ? AND lead_id IN (SELECT value FROM json_each(?))`,
		byAddress: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE hub_id = ? AND address <> '' AND address IN (SELECT value FROM json_each(?))`,
		byContact: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE hub_id = ?1 AND ` + holds + ` AND contact_id IN (SELECT value FROM json_each(?2))
  UNION ALL SELECT ` + linkColumns + ` FROM leadsync_links WHERE hub_id = ?1 AND ` + knows + ` AND contact_id IN (SELECT value FROM json_each(?2))`,
		lookAt: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ? AND hub_id = ? AND second_look_at IS NOT NULL AND second_look_at <= ?
  ORDER BY second_look_at LIMIT +?`,
		owingAfter: owingAfter,
		owedCount:  owedCount,
		optOutDue: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ? AND hub_id = ? AND opt_out_due IS NOT NULL AND opt_out_due <= ?
  ORDER BY opt_out_due LIMIT +?`,
		holders: `SELECT portal, lead_id, contact_id FROM leadsync_links WHERE hub_id = ? AND ` + holds + ` AND contact_id IN (SELECT value FROM json_each(?))`,
		fence: `UPDATE leadsync_portals SET high_id = max(high_id, ?), high_seen_at = CASE WHEN ? > high_id THEN ? ELSE high_seen_at END
  WHERE portal = ? AND epoch = ?`,
		eventsThere: `SELECT j.value FROM json_each(?2) j WHERE EXISTS (SELECT 1 FROM lead_outbox p
  WHERE p.portal = ?1 AND p.event_id IS NOT NULL AND substr(p.event_id, 1, 255) = substr(j.value, 1, 255) AND p.event_id = j.value)`,
		returning:    ` RETURNING id`,
		insert:       `(?,?,?,?,?,?,?,coalesce(?,CAST((julianday('now')-2440587.5)*86400000 AS INTEGER)))`,
		purgeBare:    `DELETE FROM lead_outbox WHERE id IN (` + oldestSettled(`reason IS NULL`) + `)`,
		purgeReason:  `DELETE FROM lead_outbox WHERE id IN (` + oldestSettled(`reason = ?5`) + `)`,
		nextReason:   nextReason,
		countPending: `SELECT portal, sum(n), min(first) FROM (` + strings.ReplaceAll(countParts(sqliteContact, sqliteConsent), `not_before IS NOT NULL`, `not_before IS NOT NULL AND `+sqliteTime) + `) GROUP BY portal`,
		countSettled: `SELECT portal, state, coalesce(reason, ''), count(*) FROM lead_outbox WHERE state <> 'pending' GROUP BY portal, state, reason`,
		strays: straysByID + ` UNION ALL SELECT portal, '` + StrayTime + `', count(*) FROM (
    SELECT portal FROM lead_outbox WHERE state = 'pending' AND id > 0 AND not_before IS NOT NULL AND NOT ` + sqliteTime + ` AND ` + sqliteContact + `
    UNION ALL SELECT portal FROM lead_outbox WHERE state = 'pending' AND id > 0 AND not_before IS NOT NULL AND NOT ` + sqliteTime + ` AND ` + sqliteConsent + `)
  GROUP BY portal`,
		createdAt:   `SELECT CASE typeof(created_at) WHEN 'integer' THEN created_at ELSE 0 END FROM lead_outbox WHERE id = ?`,
		schemaTable: `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'leadsync_schema'`,
		goneAfter:   goneAfter,
		linkedAfter: linkedAfter,
		pendingAddresses: `SELECT DISTINCT CAST(p.email AS TEXT) FROM json_each(?2) j CROSS JOIN lead_outbox p
  WHERE p.portal = ?1 AND p.state = 'pending' AND p.email IS NOT NULL AND ` + sqliteAddress + ` = j.value
    AND octet_length(p.email) <= 4096`,
		pendingOptOuts: `SELECT DISTINCT CAST(p.email AS TEXT), substr(CAST(p.lead_id AS TEXT), 1, 256) FROM json_each(?2) j CROSS JOIN lead_outbox p
  WHERE p.portal = ?1 AND p.state = 'pending' AND p.email IS NOT NULL AND ` + sqliteAddress + ` = j.value
    AND p.event_type = 'lead.unsubscribed' AND octet_length(p.email) <= 4096`,
		// What an application put there is acknowledged, also when it is no number.
		inboxColumns: strings.Replace(inboxColumns, `acked_at`, `CASE WHEN acked_at IS NULL OR typeof(acked_at) = 'integer' THEN acked_at ELSE 0 END`, 1),
		unread:       unreadRows,
		told:         strings.Replace(toldRows, `acked_at`, `CASE WHEN acked_at IS NULL OR typeof(acked_at) = 'integer' THEN acked_at ELSE 0 END`, 1),
		purgeInbox: `DELETE FROM lead_inbox WHERE id IN (SELECT id FROM lead_inbox WHERE portal = ?1 AND acked_at IS NOT NULL AND acked_at < ?2
  ORDER BY acked_at LIMIT +?3)`,
		leadMatch: sqliteLead + ` = substr(?, 1, 255) AND CAST(o.lead_id AS TEXT) = ?`,
	}
}()

// sqliteShrink empties columns that are over their limits. SQLite writes rows whole: to settle one with 100 MB it would
// hold them twice.
func sqliteShrink() string {
	var set, which []string
	for column, most := range map[string]int{"lead_id": outbox.MaxTextBytes, "event_type": outbox.MaxTextBytes, "email": outbox.MaxTextBytes,
		"event_id": outbox.MaxTextBytes, "properties": maxProperties} {
		set = append(set, fmt.Sprintf("%[1]s = CASE WHEN octet_length(%[1]s) <= %[2]d THEN %[1]s END", column, most))
		which = append(which, fmt.Sprintf("octet_length(%s) > %d", column, most))
	}
	slices.Sort(set)
	slices.Sort(which)
	text := `UPDATE lead_outbox SET ` + strings.Join(set, ", ") + ` WHERE portal = ? AND id IN (SELECT value FROM json_each(?)) AND state = 'pending' AND (` +
		strings.Join(which, " OR ") + `)`
	return strings.ReplaceAll(text, "THEN properties END", "THEN properties ELSE '{}' END") // it takes no NULL
}

func (d *sqliteDialect) sql() *statements { return sqliteStatements }

// A batch of outcomes. The list of values is the outer loop, rows are found by id.
const (
	sqliteSettleHead = `UPDATE lead_outbox SET state = v.column2, reason = v.column3, note = v.column4, attempts = v.column5,
  not_before = v.column6, contact_id = coalesce(v.column7, contact_id), correlation_id = coalesce(v.column8, correlation_id),
  settled_at = v.column9 FROM (VALUES `
	sqliteSettleTail = `) AS v WHERE lead_outbox.id = v.column1 AND lead_outbox.state = 'pending' AND lead_outbox.portal = ?`
)

const sqliteUpsertHead = `INSERT INTO leadsync_links (` + linkColumns + `, updated_at) VALUES `
