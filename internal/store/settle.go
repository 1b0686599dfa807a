package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

const (
	// settleChunk bounds the parameters of one statement (SQLite takes 32,766, a row needs up to 16).
	settleChunk = 1000
	// linkBytes bounds the ledgers that one statement carries, see addBytes.
	linkBytes = 1 << 20
)

// Settle writes a settlement, all of it or nothing, and returns how many rows left pending or were put off: those that
// were still pending. settlement.ErrLeaseLost when another owner has the portal since the lease was taken,
// *settlement.TakenError when a link names a contact that another lead holds. When the answer of the commit is lost the
// caller may repeat it: rows that were settled are left alone the second time.
func (p *Portal) Settle(ctx context.Context, s settlement.Settlement) (int, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.settle(ctx, s, nil)
}

// settle writes a settlement, and what a page of pull has beyond it.
func (p *Portal) settle(ctx context.Context, s settlement.Settlement, page *settlement.Page) (int, error) {
	links, fields, err := ordered(s.Links)
	if err != nil {
		return 0, fmt.Errorf("settle: encode a ledger: %w", err)
	}
	now, withdraw := p.now(), slices.Concat(s.Withdraw, replaced(s.Inbox))
	var settled int64
	err = p.inTx(ctx, func(tx *sql.Tx) error {
		if err := p.fence(ctx, tx, p.lease, s.High.ID, cmp.Or(s.High.CreatedAt, now)); err != nil {
			return err
		}
		if settled, err = p.putOutcomes(ctx, tx, s.Outcomes, now); err != nil {
			return err
		}
		if err := p.putLinks(ctx, tx, links, fields, now); err != nil {
			return err
		}
		if err := p.noteAsked(ctx, tx, p.portal, s.Asked); err != nil {
			return err
		}
		if err := p.withdraw(ctx, tx, p.portal, withdraw); err != nil {
			return err
		}
		if err := p.addInbox(ctx, tx, s.Inbox, now); err != nil || page == nil {
			return err
		}
		return p.page(ctx, tx, page, now)
	})
	switch {
	case err == nil:
		return int(settled), nil
	case errors.Is(err, settlement.ErrLeaseLost):
		p.lease.lose()
		return 0, err
	case duplicate(err):
		if taken := p.whoHolds(ctx, links); taken != nil {
			return 0, fmt.Errorf("settle: %w", taken)
		}
		return 0, fmt.Errorf("settle: %w", lead.ErrDuplicate) // the holder let go meanwhile; a repeat succeeds
	}
	return 0, fmt.Errorf("settle: %w", err)
}

// putOutcomes writes outcomes of rows that are still pending and returns how many there were.
func (p *Portal) putOutcomes(ctx context.Context, tx *sql.Tx, outcomes []outbox.Outcome, now int64) (settled int64, err error) {
	for chunk := range slices.Chunk(outcomes, settleChunk) {
		if err := p.shrink(ctx, tx, p.portal, chunk); err != nil {
			return 0, err
		}
		q := p.dialect.settle(p.portal, chunk, now)
		n, err := p.exec(ctx, tx, q.text, q.args...)
		if err != nil {
			return 0, err
		}
		settled += n
		if err := p.bareErased(ctx, tx, chunk); err != nil {
			return 0, err
		}
	}
	return settled, nil
}

// putLinks replaces links and keeps what they give up.
func (p *Portal) putLinks(ctx context.Context, tx *sql.Tx, links []ledger.Link, fields []string, now int64) error {
	for from := 0; from < len(links); {
		to := linksEnd(fields, from)
		q := p.dialect.upsert(links[from:to], fields[from:to], now)
		if _, err := p.exec(ctx, tx, q.text, q.args...); err != nil {
			return err
		}
		from = to
	}
	if err := p.dropDeleted(ctx, tx, p.portal, links); err != nil {
		return err
	}
	if err := p.noteOptOuts(ctx, tx, p.portal, links); err != nil {
		return err
	}
	return p.noteContacts(ctx, tx, p.portal, links, now)
}

// shrink takes texts over the limits out of rows that die of them, where the engine would load the whole row to write
// one column of it.
func (p *Portal) shrink(ctx context.Context, tx *sql.Tx, portal string, outcomes []outbox.Outcome) error {
	text := p.dialect.sql().shrink
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
	// The engine loads a text once, to take it out of its index, and its pages go through the cache. Before that goes what
	// the process has and does not use.
	debug.FreeOSMemory()
	if _, err := p.exec(ctx, tx, `PRAGMA cache_size = 64`); err != nil {
		return err
	}
	_, err := p.exec(ctx, tx, text, portal, p.dialect.ids(ids))
	_, restored := p.exec(context.WithoutCancel(ctx), tx, `PRAGMA cache_size = -2000`) // the engine's own
	return errors.Join(err, restored)
}

// ordered puts links that hold no contact first, since they may free one that a later link of the same settlement
// takes, and encodes the ledgers.
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

// fence locks the portal's row and proves that the epoch is ours; it must be the first statement of a transaction, so
// that two settlements never wait for each other in a circle. A take-over waits for the commit.
func (db *engine) fence(ctx context.Context, tx *sql.Tx, l *Lease, high outbox.EntryID, now int64) error {
	n, err := db.exec(ctx, tx, db.dialect.sql().fence, int64(high), int64(high), now, l.portal, l.epoch)
	if err != nil {
		return err
	}
	if n == 0 {
		return settlement.ErrLeaseLost
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
func (p *Portal) whoHolds(ctx context.Context, links []ledger.Link) *settlement.TakenError {
	wants := map[int64][]lead.ContactID{}
	for i := range links {
		if rank(&links[i]) == 1 {
			wants[links[i].HubID] = append(wants[links[i].HubID], links[i].ContactID)
		}
	}
	for hub, contacts := range wants {
		held, err := p.holders(ctx, hub, contacts)
		if err != nil {
			return nil // the duplicate itself is reported
		}
		for i := range links {
			l := &links[i]
			if h, ok := held[l.ContactID]; ok && l.HubID == hub && rank(l) == 1 && (h.LeadID != l.LeadID || h.Portal != l.Portal) {
				return &settlement.TakenError{LeadID: l.LeadID, ContactID: l.ContactID, Holder: h.LeadID, Portal: h.Portal}
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
			return &settlement.TakenError{LeadID: l.LeadID, ContactID: l.ContactID, Holder: f.LeadID, Portal: f.Portal}
		}
		first[l.ContactID] = l
	}
	return nil
}

func (p *Portal) holders(ctx context.Context, hub int64, contacts []lead.ContactID) (map[lead.ContactID]ledger.Link, error) {
	rows, err := p.rows(ctx, p.write, p.dialect.sql().holders, hub, p.dialect.texts(distinct(contacts)))
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
