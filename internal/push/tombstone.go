package push

import (
	"context"
	"slices"

	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// People is what push needs of the store to take people away. Each call that writes is one transaction under the lease.
type People interface {
	// AllowDeletes asks the brake which deletes and erases may go: most contacts in an hour. paused is since when the
	// others wait for a person, unix ms, 0 = they need not.
	AllowDeletes(ctx context.Context, asks []DeleteAsk, most int, now int64) (allowed []outbox.EntryID, paused int64, err error)
	// KnownContacts is what is known of a lead's contacts besides its link, and what operators said of contacts for the
	// rows.
	KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (Known, error)
	// Tombstoned tells who was erased. A lead with a tombstone is never written; an address with one stops only a lead
	// without a contact.
	Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (Tombstoned, error)
	// Entomb writes the tombstones of a person, and skips all other pending and dead rows of the lead but unsubscribes
	// that are pending. It may be repeated.
	Entomb(ctx context.Context, hubID int64, p Person) error
	// EachRow reads all rows of a lead, in any state, until each returns an error.
	EachRow(ctx context.Context, id lead.ID, each func(outbox.Entry) error) error
	// InboxOf reads what the application was told about a lead.
	InboxOf(ctx context.Context, id lead.ID) ([]InboxRow, error)
	// Wipe overwrites everything that names the person. The row that asks stays pending, under a lead id that Tombstoned
	// knows as a marker and with the note that it makes of what was overwritten.
	Wipe(ctx context.Context, p Person, note func(Wiped) string) error
	// Scrub takes what was overwritten out of the files of the database; needles are texts of the person, none = unknown.
	// The error is settlement.ErrStillRead while another program keeps them alive.
	Scrub(ctx context.Context, needles []string) error
}

// endErased ends the rows of leads that were erased: late ones, replayed ones, and those of a new lead under an erased
// address. Of an unsubscribe the word is left: the unsubscribe lane opts out what it names, and ends it then.
func (w *Worker) endErased(ctx context.Context, works []*work) error {
	if len(works) == 0 {
		return nil
	}
	var leads []lead.ID
	var addresses []string
	for _, k := range works {
		leads = append(leads, k.id)
		if k.link.State != ledger.Linked {
			for _, r := range k.every {
				if r.Address != "" {
					addresses = append(addresses, r.Address)
				}
			}
		}
	}
	slices.Sort(addresses)
	t, err := w.store.Tombstoned(ctx, w.hubID(), leads, nil, slices.Compact(addresses))
	if err != nil {
		return err
	}
	for _, k := range works {
		tomb, gone := t.Leads[k.id]
		if gone {
			k.tomb = &tomb
		}
		for _, r := range k.every {
			named := k.link.State != ledger.Linked && r.Address != "" && t.Addresses[r.Address]
			switch {
			case r.Event == outbox.Erased || !gone && !named:
			case r.Consent != ledger.Out || !r.HasConsent() || r.Parked() || r.Folded: // a folded one has its word done
				r.EndAs(outbox.Skipped, outbox.ErasedPerson, "")
			default:
				r.End, r.Values, r.Omitted, r.Erased = nil, nil, nil, true
				if !gone {
					k.unnamed = append(k.unnamed, r.Address)
				}
			}
		}
	}
	return nil
}

// linkToWrite is the link as it is written: without the addresses of people who were erased. That of an erased lead is
// in the unsubscribe lane alone, and is not written at all where an erase has wiped it.
func linkToWrite(k *work) (ledger.Link, bool) {
	l := *k.link
	for _, a := range k.unnamed {
		l.Distrust(a)
	}
	if k.tomb != nil {
		l.LeaveToConsent()
	}
	return l, k.dirty && (k.tomb == nil || !k.fresh)
}

// scrubLate takes late and replayed rows of erased people, which are overwritten now, out of the files too. That it
// could not be done is no reason to hold the lane up: a later erase does it.
func (w *Worker) scrubLate(ctx context.Context, works []*work) {
	var needles []string
	for _, k := range works {
		erased := func(r *intent.Row) bool {
			return slices.ContainsFunc(k.ended, func(o outbox.Outcome) bool { return o.ID == r.ID && o.Reason == outbox.ErasedPerson })
		}
		for _, r := range k.every {
			if !erased(r) {
				continue
			}
			for _, s := range []string{string(k.id), r.Address, orEmpty(r.Email), orEmpty(r.Properties)} {
				if len(s) > len("{}") {
					needles = append(needles, s)
				}
			}
		}
	}
	if len(needles) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout) // a stop does not leave it half done
	defer cancel()
	if err := w.store.Scrub(ctx, needles); err != nil {
		w.cfg.Log.Debug(observe.PushDegraded, "step", "scrub", observe.Err, err)
	}
}

// erasing is the row that asks for the person's erase: it wins over all others of the lead, wherever it stands.
func (k *work) erasing() *intent.Row {
	for i := len(k.every) - 1; i >= 0; i-- {
		if r := k.every[i]; r.Event == outbox.Erased && r.End == nil {
			return r
		}
	}
	return nil
}
