package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Settlement is what one request decided, written in one transaction.
type Settlement struct {
	// Lease fences the transaction and names the portal.
	Lease *Lease
	// Now is settled_at of the rows that leave pending, unix ms.
	Now int64
	// Outcomes name each row once. Rows that are not pending any more, or are of another portal, are left alone. What a row says of a
	// person is overwritten when it ends as erased.
	Outcomes []outbox.Outcome
	// Links name each lead once and replace what is stored. A link that gives a contact up may stand in the same settlement as
	// the one that takes it.
	Links []ledger.Link
	// Asked are creates that had no answer: what they may have made is the lead's.
	Asked []Asked
	// Withdraw takes fields out of inbox rows that are not acknowledged yet, before Inbox is added.
	Withdraw []inbox.Withdrawal
	// Inbox rows are added; their Portal may be empty.
	Inbox []InboxRow
	// HighID raises the portal's highest id seen when it is higher; 0 leaves it. HighAt is that row's created_at, 0 = Now.
	HighID outbox.EntryID
	HighAt int64
	// Stream is where a pull stream stands when this is written; nil = this is no page of pull. Its portal is the lease's.
	Stream *StreamRow
	// Strangers replace what is stored of contacts without a lead, in the account of Stream; Drop removes them.
	Strangers []ledger.Link
	Drop      []lead.ContactID
}

// SettleResult says what a settlement found.
type SettleResult struct {
	// Settled counts the outcomes that were written: rows that were still pending.
	Settled int
}

const (
	// settleChunk bounds the parameters of one statement (SQLite takes 32,766, a row needs up to 16).
	settleChunk = 1000
	// linkBytes bounds the ledgers that one statement carries, see addBytes.
	linkBytes = 1 << 20
)

// Settle writes a settlement: all of it or nothing. ErrLeaseLost when another owner has the portal since the lease was taken,
// *ContactTakenError when a link names a contact that another lead holds. When the answer of the commit is lost the caller may
// repeat it: rows that were settled are left alone the second time.
func (db *DB) Settle(ctx context.Context, s Settlement) (SettleResult, error) {
	links, fields, err := ordered(s.Links)
	if err != nil {
		return SettleResult{}, fmt.Errorf("settle: encode a ledger: %w", err)
	}
	var settled int64
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		settled = 0
		if err := db.fence(ctx, tx, s.Lease, s.HighID, cmp.Or(s.HighAt, s.Now)); err != nil {
			return err
		}
		for chunk := range slices.Chunk(s.Outcomes, settleChunk) {
			if err := db.shrink(ctx, tx, s.Lease.portal, chunk); err != nil {
				return err
			}
			q := db.dialect.settle(s.Lease.portal, chunk, s.Now)
			n, err := db.exec(ctx, tx, q.text, q.args...)
			if err != nil {
				return err
			}
			settled += n
			if err := db.bareErased(ctx, tx, chunk); err != nil {
				return err
			}
		}
		for from := 0; from < len(links); {
			to := linksEnd(fields, from)
			q := db.dialect.upsert(links[from:to], fields[from:to], s.Now)
			if _, err := db.exec(ctx, tx, q.text, q.args...); err != nil {
				return err
			}
			from = to
		}
		if err := db.dropDeleted(ctx, tx, s.Lease.portal, links); err != nil {
			return err
		}
		if err := db.noteContacts(ctx, tx, s.Lease.portal, links, s.Now); err != nil {
			return err
		}
		if err := db.noteAsked(ctx, tx, s.Lease.portal, s.Asked); err != nil {
			return err
		}
		if err := db.withdraw(ctx, tx, s.Lease.portal, s.Withdraw); err != nil {
			return err
		}
		if err := db.addInbox(ctx, tx, s.Lease.portal, s.Inbox, s.Now); err != nil {
			return err
		}
		return db.page(ctx, tx, &s)
	})
	switch {
	case err == nil:
		return SettleResult{Settled: int(settled)}, nil
	case errors.Is(err, ErrLeaseLost):
		s.Lease.lose()
		return SettleResult{}, err
	case duplicate(err):
		if taken := db.whoHolds(ctx, links); taken != nil {
			return SettleResult{}, fmt.Errorf("settle: %w", taken)
		}
		return SettleResult{}, fmt.Errorf("settle: %w", lead.ErrDuplicate) // the holder let go meanwhile; a repeat succeeds
	}
	return SettleResult{}, fmt.Errorf("settle: %w", err)
}

// shrink takes texts over the limits out of rows that die of them, where the engine would load the whole row to write one column of it.
func (db *DB) shrink(ctx context.Context, tx *sql.Tx, portal string, outcomes []outbox.Outcome) error {
	text := db.dialect.sql().shrink
	if text == "" {
		return nil
	}
	var ids []int64
	for i := range outcomes {
		switch outcomes[i].Reason {
		case outbox.TooLarge, outbox.LeadIDTooLong, outbox.UnknownEventType:
			ids = append(ids, int64(outcomes[i].ID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := db.exec(ctx, tx, text, portal, db.dialect.ids(ids))
	return err
}

// ordered puts links that hold no contact first, since they may free one that a later link of the same settlement takes, and
// encodes the ledgers.
func ordered(links []ledger.Link) ([]ledger.Link, []string, error) {
	links = slices.Clone(links)
	slices.SortStableFunc(links, func(a, b ledger.Link) int { return cmp.Compare(rank(&a), rank(&b)) })
	fields := make([]string, len(links))
	for i := range links {
		f, err := encodeFields(links[i].Fields)
		if err != nil {
			return nil, nil, err
		}
		fields[i] = f
	}
	return links, fields, nil
}

// linksEnd is where the statement ends that begins with the ledger of fields[from].
func linksEnd(fields []string, from int) int {
	bytes := len(fields[from])
	for to := from + 1; to < len(fields); to++ {
		bytes += len(fields[to])
		if to == from+settleChunk || bytes > linkBytes {
			return to
		}
	}
	return len(fields)
}

// fence locks the portal's row and proves that the epoch is ours; it must be the first statement of a transaction, so that two
// settlements never wait for each other in a circle. A take-over waits for the commit.
func (db *DB) fence(ctx context.Context, tx *sql.Tx, l *Lease, high outbox.EntryID, now int64) error {
	n, err := db.exec(ctx, tx, db.dialect.sql().fence, int64(high), int64(high), now, l.portal, l.epoch)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrLeaseLost
	}
	return nil
}

func rank(l *ledger.Link) int {
	if l.ContactID != "" && (l.State == ledger.Linked || l.State == ledger.Gone) {
		return 1
	}
	return 0
}

// whoHolds finds the first link whose contact another lead holds, after the transaction that met it is gone.
func (db *DB) whoHolds(ctx context.Context, links []ledger.Link) *ContactTakenError {
	wants := map[int64][]lead.ContactID{}
	for i := range links {
		if rank(&links[i]) == 1 {
			wants[links[i].HubID] = append(wants[links[i].HubID], links[i].ContactID)
		}
	}
	for hub, contacts := range wants {
		held, err := holders(ctx, db, hub, contacts)
		if err != nil {
			return nil // the duplicate itself is reported
		}
		for i := range links {
			l := &links[i]
			if h, ok := held[l.ContactID]; ok && l.HubID == hub && rank(l) == 1 && (h.LeadID != l.LeadID || h.Portal != l.Portal) {
				return &ContactTakenError{LeadID: l.LeadID, ContactID: l.ContactID, Holder: h.LeadID, Portal: h.Portal}
			}
		}
	}
	first := map[lead.ContactID]*ledger.Link{} // two links of the settlement itself
	for i := range links {
		l := &links[i]
		if rank(l) == 0 {
			continue
		}
		if f := first[l.ContactID]; f != nil && f.HubID == l.HubID {
			return &ContactTakenError{LeadID: l.LeadID, ContactID: l.ContactID, Holder: f.LeadID, Portal: f.Portal}
		}
		first[l.ContactID] = l
	}
	return nil
}

func holders(ctx context.Context, db *DB, hub int64, contacts []lead.ContactID) (map[lead.ContactID]ledger.Link, error) {
	rows, err := db.rows(ctx, db.write, db.dialect.sql().holders, hub, db.dialect.texts(distinct(contacts)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	held := map[lead.ContactID]ledger.Link{}
	for rows.Next() {
		var l ledger.Link
		if err := rows.Scan(&l.Portal, &l.LeadID, &l.ContactID); err != nil {
			return nil, err
		}
		held[l.ContactID] = l
	}
	return held, rows.Err()
}

// settled are the columns of one outcome; nil is NULL, and for contact and correlation: keep.
type settled struct {
	id                                 int64
	state                              string
	reason, note, contact, correlation *string
	attempts                           int64
	notBefore, settledAt               *int64
}

func settleColumns(o *outbox.Outcome, at int64) settled {
	c := settled{id: int64(o.ID), state: string(o.State), reason: textOrNull(string(o.Reason)), note: textOrNull(o.Note),
		contact: textOrNull(string(o.ContactID)), correlation: textOrNull(o.CorrelationID), attempts: int64(o.Attempts),
		notBefore: nullable(o.NotBefore)}
	if o.State != outbox.Pending {
		c.settledAt = &at
	}
	return c
}

// cleanText is text that every engine stores: valid UTF-8 without NUL.
func cleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	s = cleanText(s)
	return &s
}

func nullable(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
