package store

// postgresColumns reads an entry, see sqliteColumns.
const postgresColumns = `o.id, o.portal, %TEXT(event_id)%, %TEXT(lead_id)%, %TEXT(event_type)%, %TEXT(email)%, %LARGE%,
  CASE WHEN octet_length(o.properties) <= %PROPERTIES% THEN o.properties END, coalesce(octet_length(o.properties), 0),
  o.lane, o.occurred_at, o.created_at, o.state, o.reason, %TEXT(note)%, o.attempts, o.not_before,
  %TEXT(contact_id)%, %TEXT(correlation_id)%, o.settled_at`

// A server that has not looked at a table since it was empty believes that every condition meets one row, and then
// starts from the wrong one: a join over all pending rows for each of a hundred ids. So every list is walked by a
// LATERAL subquery, which LIMIT or OFFSET 0 keeps from being turned round, min is written as ORDER BY LIMIT 1, and what
// must not choose the index is an expression (state || ''). An UPDATE has no LATERAL; = ANY brings its rows down to
// those of the list before they are joined with it.

// postgresEntries finds rows by a list of ids, under a further condition.
func postgresEntries(condition, list string) string {
	return `unnest(` + list + `::bigint[]) AS j(id) CROSS JOIN LATERAL (SELECT * FROM lead_outbox o WHERE o.id = j.id AND ` + condition + ` LIMIT 1) AS o`
}

// The rows of the unsubscribe lane and those of the contact lane, as in the conditions of the partial indexes.
const (
	postgresConsent = `coalesce(event_type, '') IN ` + consentTypes
	postgresContact = `coalesce(event_type, '') NOT IN ` + consentTypes
)

var postgresStatements = func() *statements {
	all := columnsUpTo(postgresColumns, maxProperties)
	ready := func(lane string) string {
		return `SELECT id, substr(lead_id, 1, 256), not_before, created_at FROM lead_outbox
  WHERE portal = ?1 AND state = 'pending' AND not_before IS NULL AND ` + lane + ` AND id > ?2 ORDER BY id LIMIT ?3`
	}
	waiting := func(what, which string) string {
		return `SELECT ` + what + ` FROM lead_outbox WHERE portal = ?1 AND state = 'pending' AND not_before IS NOT NULL AND ` + which
	}
	due := func(which string) string {
		return waiting(`id, substr(lead_id, 1, 256), not_before, created_at`, which) + ` AND not_before <= ?2 ORDER BY not_before, id LIMIT ?3`
	}
	return &statements{
		readyLive:     ready(`lane <> 'backfill' AND ` + postgresContact),
		readyBackfill: ready(`lane = 'backfill' AND ` + postgresContact),
		readyConsent:  ready(postgresConsent),
		dueAgain:      due(postgresContact),
		dueLive:       due(postgresContact + ` AND lane <> 'backfill'`),
		dueBackfill:   due(postgresContact + ` AND lane = 'backfill'`),
		dueConsent:    due(postgresConsent),
		unpark: `UPDATE lead_outbox SET not_before = NULL WHERE id IN ((` + waiting(`id`, postgresContact) + ` AND not_before = ?2 ORDER BY not_before, id LIMIT ?3)
  UNION ALL (` + waiting(`id`, postgresConsent) + ` AND not_before = ?2 ORDER BY not_before, id LIMIT ?3))`,
		pendingOf: `SELECT ` + columnsUpTo(postgresColumns, inlineBytes) + ` FROM unnest(?2::text[]) WITH ORDINALITY AS j(lead, nr)
  CROSS JOIN LATERAL (SELECT * FROM lead_outbox p WHERE p.portal = ?1 AND substr(p.lead_id, 1, 255) = substr(j.lead, 1, 255)
    AND p.lead_id = j.lead AND p.state = 'pending' ORDER BY p.id LIMIT ?3) AS o ORDER BY j.nr, o.id`,
		properties: `SELECT o.id, o.properties FROM ` + postgresEntries(`true`, `?1`),
		entries:    `SELECT ` + all + ` FROM ` + postgresEntries(`true`, `?1`) + ` ORDER BY o.id`,
		rowsOf: `SELECT ` + all + ` FROM unnest(ARRAY['pending', 'delivered', 'skipped', 'dead']) AS s(state) CROSS JOIN LATERAL (SELECT * FROM lead_outbox p
  WHERE p.portal = ?1 AND substr(p.lead_id, 1, 255) = substr(?2, 1, 255) AND p.lead_id = ?2 AND p.state = s.state ORDER BY p.id DESC LIMIT ?3) AS o
  ORDER BY o.id DESC LIMIT ?3`,
		entryColumns: all,
		earlier: `SELECT o.id FROM ` + postgresEntries(`o.portal = ?1 AND o.event_id <> ''`, `?2`) + ` CROSS JOIN LATERAL (SELECT 1 FROM lead_outbox p
  WHERE p.portal = ?1 AND p.event_id IS NOT NULL AND substr(p.event_id, 1, 255) = substr(o.event_id, 1, 255) AND p.event_id = o.event_id
    AND p.id <> o.id AND ` + wasEarlier + ` LIMIT 1) AS e`,
		links: `SELECT k.* FROM unnest(?3::text[]) AS j(lead) CROSS JOIN LATERAL (SELECT ` + linkColumns + ` FROM leadsync_links
  WHERE portal = ?1 AND hub_id = ?2 AND lead_id = j.lead LIMIT 1) AS k`,
		byAddress: `SELECT k.* FROM unnest(?2::text[]) AS j(address) CROSS JOIN LATERAL (SELECT ` + linkColumns + ` FROM leadsync_links l
  WHERE l.hub_id = ?1 AND l.address <> '' AND l.address = j.address OFFSET 0) AS k`,
		byContact: `SELECT k.* FROM unnest(?2::text[]) AS j(contact) CROSS JOIN LATERAL (
  (SELECT ` + linkColumns + ` FROM leadsync_links WHERE hub_id = ?1 AND ` + holds + ` AND contact_id = j.contact LIMIT 1)
  UNION ALL (SELECT ` + linkColumns + ` FROM leadsync_links WHERE hub_id = ?1 AND ` + knows + ` AND contact_id = j.contact OFFSET 0)) AS k`,
		lookAt: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ?1 AND hub_id = ?2 AND second_look_at IS NOT NULL AND second_look_at <= ?3
  ORDER BY second_look_at LIMIT ?4`,
		owingAfter: owingAfter,
		owedCount:  owedCount,
		optOutDue: `SELECT ` + linkColumns + ` FROM leadsync_links WHERE portal = ?1 AND hub_id = ?2 AND opt_out_due IS NOT NULL AND opt_out_due <= ?3
  ORDER BY opt_out_due LIMIT ?4`,
		holders: `SELECT k.* FROM unnest(?2::text[]) AS j(contact) CROSS JOIN LATERAL (SELECT portal, lead_id, contact_id FROM leadsync_links
  WHERE hub_id = ?1 AND ` + holds + ` AND contact_id = j.contact LIMIT 1) AS k`,
		fence: `UPDATE leadsync_portals SET high_id = greatest(high_id, ?1), high_seen_at = CASE WHEN ?2 > high_id THEN ?3 ELSE high_seen_at END
  WHERE portal = ?4 AND epoch = ?5`,
		eventsThere: `SELECT j.event FROM unnest(?2::text[]) AS j(event) CROSS JOIN LATERAL (SELECT 1 FROM lead_outbox p
  WHERE p.portal = ?1 AND p.event_id IS NOT NULL AND substr(p.event_id, 1, 255) = substr(j.event, 1, 255) AND p.event_id = j.event LIMIT 1) AS e`,
		returning:    ` RETURNING id`,
		insert:       `(?,?,?,?,?,?,?,coalesce(?::bigint,floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint))`,
		purgeBare:    `DELETE FROM lead_outbox WHERE id IN (` + oldestSettled(`reason IS NULL`) + `)`,
		purgeReason:  `DELETE FROM lead_outbox WHERE id IN (` + oldestSettled(`reason = ?5`) + `)`,
		nextReason:   nextReason,
		countPending: `SELECT portal, sum(n)::bigint, min(first) FROM (` + countParts(postgresContact, postgresConsent) + `) AS p GROUP BY portal`,
		countSettled: `SELECT portal, state, coalesce(reason, ''), count(*) FROM lead_outbox WHERE state <> 'pending' GROUP BY portal, state, reason`,
		strays:       straysByID,
		createdAt:    `SELECT created_at FROM lead_outbox WHERE id = ?1`,
		schemaTable:  `SELECT CASE WHEN to_regclass('leadsync_schema') IS NULL THEN 0 ELSE 1 END`,
		goneAfter:    goneAfter,
		linkedAfter:  linkedAfter,
		pendingAddresses: `SELECT DISTINCT o.email FROM unnest(?2::text[]) AS j(key) CROSS JOIN LATERAL (SELECT email FROM lead_outbox p
  WHERE p.portal = ?1 AND p.state = 'pending' AND p.email IS NOT NULL AND CASE WHEN p.email COLLATE "C" ~ '[^ -~]' THEN ''
    ELSE substr(lower(btrim(p.email) COLLATE "C"), 1, 255) END = j.key AND octet_length(p.email) <= 4096 OFFSET 0) AS o`,
		pendingOptOuts: `SELECT DISTINCT o.email, substr(o.lead_id, 1, 256) FROM unnest(?2::text[]) AS j(key) CROSS JOIN LATERAL (
    SELECT email, lead_id FROM lead_outbox p
    WHERE p.portal = ?1 AND p.state = 'pending' AND p.email IS NOT NULL AND CASE WHEN p.email COLLATE "C" ~ '[^ -~]' THEN ''
      ELSE substr(lower(btrim(p.email) COLLATE "C"), 1, 255) END = j.key
      AND p.event_type = 'lead.unsubscribed' AND octet_length(p.email) <= 4096 OFFSET 0) AS o`,
		inboxColumns: inboxColumns,
		unread:       unreadRows + skipLocked,
		told:         toldRows,
		// An array, so that a wide table is not read whole to be joined with a hundred ids.
		purgeInbox: `DELETE FROM lead_inbox WHERE id = ANY(ARRAY(SELECT id FROM lead_inbox WHERE portal = ?1 AND acked_at IS NOT NULL AND acked_at < ?2
  ORDER BY acked_at LIMIT ?3))`,
		leadMatch: `substr(o.lead_id, 1, 255) = substr(?, 1, 255) AND o.lead_id = ?`,
	}
}()

func (d *postgresDialect) sql() *statements { return postgresStatements }

const postgresSettle = `UPDATE lead_outbox AS o SET state = v.state, reason = v.reason, note = v.note, attempts = v.attempts,
  not_before = v.not_before, contact_id = coalesce(v.contact_id, o.contact_id),
  correlation_id = coalesce(v.correlation_id, o.correlation_id), settled_at = v.settled_at
  FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::text[], ?8::text[], ?9::bigint[])
    AS v(id, state, reason, note, attempts, not_before, contact_id, correlation_id, settled_at)
  WHERE o.id = ANY(?1::bigint[]) AND o.id = v.id AND o.state || '' = 'pending' AND o.portal || '' = ?10`

const postgresUpsert = `INSERT INTO leadsync_links (` + linkColumns + `, updated_at)
  SELECT *, ?16::bigint FROM unnest(?1::text[], ?2::bigint[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::bigint[],
    ?9::text[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::text[], ?14::bigint[], ?15::bigint[])` + upsertTail
