package push

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// consentWait is how long an address waits that cannot be opted out now.
const consentWait = 10 * time.Minute

// takeConsent takes what a reading, or the answer of a write, says of consent. Each of them counts, whatever it was
// made for: before a delete, after a merge, or because a write was answered with it.
func (w *Worker) takeConsent(ctx context.Context, k *work, v *contact.View) error {
	if v.OptedOut {
		return w.contactOptedOut(ctx, k, v)
	}
	return w.takeForms(ctx, k, v)
}

// contactOptedOut takes what a reading of the lead's contact says of its address: opted out of all e-mail. The opt-out
// belongs to the address, so it must be known before the address changes.
// https://legacydocs.hubspot.com/docs/methods/email/update_status (read 2026-11-22)
func (w *Worker) contactOptedOut(ctx context.Context, k *work, v *contact.View) error {
	switch {
	case k.link.Consent == ledger.Out:
		if w.leftAll(k, v.Email); !k.link.Evidenced(v.Email) { // all e-mail is more than any list of types
			k.link.Evidence(v.Email)
			k.dirty = true
		}
	case k.undecided(): // our own, on its way to be settled, or about to be overtaken: that lane finds out
	case k.link.Consent == ledger.In:
		wide, err := w.hub.OptedOutOfAll(ctx, v.Email, w.cfg.Consent.BusinessUnit)
		switch hubspot.Classify(err) {
		case hubspot.ClassNone:
		case hubspot.ClassScope, hubspot.ClassForbidden: // it cannot be asked, so the stricter side counts
			w.leftAll(k, v.Email)
			w.sawOptOut(k, v.Email, time.Time{})
			return nil
		default:
			return err
		}
		for _, s := range wide {
			if outbox := s.At.UnixMilli(); outbox > k.link.OptOut.At {
				w.leftAll(k, v.Email)
				w.sawOptOut(k, v.Email, s.At)
			}
		}
	default:
		w.leftAll(k, v.Email)
		w.sawOptOut(k, v.Email, time.Time{})
	}
	return nil
}

// newAddress is the address that the planned request would give the lead's contact, when the lead is out, or has left a
// form, and HubSpot has not yet said so of that address; empty otherwise.
func (k *work) newAddress() string {
	a := ""
	switch k.plan.op {
	case opCreate, opUpsert:
		a = k.plan.addr
	case opUpdate:
		if k.plan.diff.Address != nil {
			a = k.plan.diff.Address.Canon
		}
	}
	if a == "" || !k.owesWordAt(a) && len(k.link.FormsOwed(a)) == 0 {
		return ""
	}
	return a
}

// owesWordAt reports whether the lead is out and HubSpot has not said so of an address.
func (k *work) owesWordAt(address string) bool {
	return k.link.Consent == ledger.Out && !k.link.Evidenced(address)
}

// waitsForConsent reports whether the lead would get an address, or lose its contact, before the unsubscribe lane has
// decided what its rows say of consent.
func (k *work) waitsForConsent() bool {
	// Opt out before the tombstone: HubSpot may refuse to erase, and people may bring the contact back. Behind it too: one
	// that came late is overwritten with the rest.
	if k.plan.op == opErase {
		return k.owesWord()
	}
	if k.plan.op == opSettle && k.plan.del == nil || !k.undecided() && !k.presentOwed() {
		return false
	}
	return k.link.State != ledger.Linked || k.plan.diff.Address != nil || k.plan.del != nil
}

const (
	// waitsForOptOut is what the row of a delete or an erase says that waits for the unsubscribe lane, once it has waited
	// sayWaits: most wait no second.
	waitsForOptOut = "waits until the unsubscribe of the lead is carried out"
	sayWaits       = 10 * time.Second
)

// waitNote has the row that deletes or erases a lead say that it waits. nil: there is nothing new to say.
func waitNote(k *work, now time.Time) []outbox.Outcome {
	r := k.plan.del
	if r == nil {
		return nil
	}
	if k.hint.waits.IsZero() {
		k.hint.waits = now
	}
	was := orEmpty(r.Note)
	if now.Sub(k.hint.waits) < sayWaits || strings.Contains(was, waitsForOptOut) {
		return nil
	}
	o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: joinNotes(waitsForOptOut, evidenceSaid(was))}
	if n := purgedBefore(r); n > 0 {
		o.Note = joinNotes(fmt.Sprintf(purgedNote, n), o.Note)
	}
	if r.NotBefore != nil {
		o.NotBefore = *r.NotBefore
	}
	return []outbox.Outcome{o}
}

// owesWord reports whether an unsubscribe of the lead is still to be carried out: not one that waits for an address.
func (k *work) owesWord() bool {
	return slices.ContainsFunc(k.words, func(r *intent.Row) bool {
		return r.Consent == ledger.Out && r.HasConsent() && !r.Parked() && !k.outlived(r) && !k.wordDone(r)
	})
}

// presentOwed reports whether an unsubscribe is on its way for the address that the contact has, or for one that it
// names: with another address it would be lost for the first, and with the second the person could be mailed.
func (k *work) presentOwed() bool {
	return k.link.State == ledger.Linked && k.link.Address != "" && slices.ContainsFunc(k.words, func(r *intent.Row) bool {
		return r.Consent == ledger.Out && r.HasConsent() && (k.owesOptOut() || k.owesNamed(r))
	})
}

// optOutFirst opts out the new addresses of leads that are out, before any contact gets them. An address that another
// contact has is not touched: its opt-out would be somebody else's. An address that cannot be opted out is not written;
// the other fields go on.
func (w *Worker) optOutFirst(ctx context.Context, works []*work) error {
	ctx = hubspot.WithPriority(ctx, hubspot.PriorityUnsubscribe)
	for range maxRounds { // a lead that may not have one address may have an earlier one
		asked := map[string]*work{}
		var check, all []string
		for _, k := range works {
			if k.done {
				continue
			}
			if a := k.newAddress(); a != "" {
				asked[a] = k
				all = append(all, a)
				if k.link.State == ledger.Linked { // a lead without a contact was looked up
					check = append(check, a)
				}
			}
		}
		if len(all) == 0 {
			return nil
		}
		if err := w.blockOthers(ctx, asked, check); err != nil {
			return err
		}
		var out []string
		for _, a := range all {
			if !asked[a].blocked.has(a) && asked[a].owesWordAt(a) {
				out = append(out, a)
			}
		}
		said, err := w.optOut(ctx, out)
		if err == nil {
			err = w.leaveForms(ctx, asked, said)
		}
		if err != nil {
			switch hubspot.Classify(err) {
			case hubspot.ClassScope, hubspot.ClassForbidden: // of the preferences alone: the contact lane goes on
				w.consent.breaker.Fail(err)
			default:
				for _, a := range out {
					if said[a] == nil {
						asked[a].failed(err, len(out))
					}
				}
				return err
			}
		}
		for _, a := range all {
			k := asked[a]
			s := said[a]
			if s != nil && s.ok && k.owesWordAt(a) {
				k.link.Evidence(a)
				k.dirty = true
			}
			if !k.owesWordAt(a) && len(k.link.FormsOwed(a)) == 0 {
				continue
			}
			if !k.blocked.has(a) {
				k.block(a, blockage{note: "waits: the new address could not be opted out", wait: consentWait})
				if s != nil {
					w.cfg.Log.Warn(observe.OptOutRefused, w.cfg.Person(k.id), observe.Class, rule(s.refusal).String(), observe.RetryIn, consentWait,
						observe.CorrelationID, s.refusal.CorrelationID)
				}
			}
			w.facts().decide(k)
		}
	}
	return nil
}

// blockOthers finds the addresses that another lead or another contact has.
func (w *Worker) blockOthers(ctx context.Context, asked map[string]*work, check []string) error {
	if len(check) == 0 {
		return nil
	}
	links, err := w.store.LinksByAddress(ctx, w.hubID(), check)
	if err != nil {
		return err
	}
	for _, l := range links {
		if k := asked[l.Address]; k != nil && l.State == ledger.Linked && (l.LeadID != k.id || l.Portal != w.cfg.Portal) {
			k.block(l.Address, taken(l.ContactID, ""))
		}
	}
	views, err := w.contacts.Batch(ctx, ledger.AddressField, check, []string{ledger.AddressField, contact.MoreAddresses, contact.MergedIDs})
	if err != nil {
		return err
	}
	for _, v := range views {
		for _, a := range v.Addresses() {
			k := asked[a]
			if k == nil || k.link.State != ledger.Linked {
				continue
			}
			if e, err := w.evidence(ctx, &claim{id: k.id, link: k.link}, v); err != nil {
				return err
			} else if e == "" {
				k.block(a, taken(v.ID, ""))
			}
		}
	}
	return nil
}
