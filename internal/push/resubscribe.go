package push

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// resubscribe carries out the lead's resubscribe when its evidence is newer than every opt-out that either side knows
// of and no other lead has opted the address out. Otherwise its row is consent_refused and the word before it counts
// (k.in is nil then). It is the only way to SUBSCRIBED.
func (w *Worker) resubscribe(ctx context.Context, k *work) error {
	for k.resubscribes() == "" { // each of them waits for an address; one that was left as it is would come again at once
		r := k.in
		k.words = slices.DeleteFunc(k.words, func(x *intent.Row) bool { return x == r })
		if !r.Parked() {
			k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Note: "waits for an address", Attempts: r.Attempts, NotBefore: outbox.Parked})
		}
		if w.nextWord(k); k.in == nil {
			return nil
		}
	}
	r, address := k.in, k.resubscribes()
	why, err := w.mayNotSubscribe(ctx, k, r, address)
	if err != nil {
		return err
	}
	if why != "" {
		w.refuseConsent(k, why)
		return nil
	}
	wide, single, out, err := w.standing(ctx, address, r.Evidence.At)
	if err != nil {
		return err
	}
	where := address
	if out.IsZero() { // since a merge the person is mailed at the survivor's address
		if where, err = w.survivorsAddress(ctx, k); err == nil && where != "" && where != address {
			_, _, out, err = w.standing(ctx, where, r.Evidence.At)
		}
		if err != nil {
			return err
		}
	}
	if !out.IsZero() {
		w.sawOptOut(k, where, out)
		w.refuseConsent(k, "HubSpot holds an opt-out that is newer than the evidence, or as old")
		return nil
	}
	ids, err := w.toSubscribe(ctx, wide, single)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		w.subscribed(k, outbox.Skipped, outbox.Unchanged, "")
		return nil
	}
	// From here on SUBSCRIBED may be carried out whatever becomes of us: an opt-out that comes after it must know.
	doubts := k.link.OptOut.Doubts
	k.link.MayResubscribe(address, outbox.Millis(w.now().Add(w.cfg.SecondLook)))
	k.link.OptOut.NotBefore = outbox.Millis(w.now().Add(w.cfg.SecondLook))
	if _, err := w.store.Settle(ctx, Settlement{Links: []ledger.Link{*k.link}}); err != nil {
		return w.named(err)
	}
	e := hubspot.Evidence{At: time.UnixMilli(r.Evidence.At), Source: r.Evidence.Source, Basis: w.cfg.Consent.Basis}
	for _, id := range ids {
		_, err := w.hub.OptIn(ctx, address, id, e)
		if k.dirty = true; hubspot.OutcomeUnknown(err) {
			k.link.Doubt(address, outbox.Millis(w.now().Add(w.cfg.SecondLook)))
		} else {
			k.link.OptOut.Doubts = doubts // one before this one may be in doubt still
		}
		switch class := hubspot.Classify(err); {
		case err == nil:
			continue
		case class == hubspot.ClassInvalid, class == hubspot.ClassConflict, class == hubspot.ClassNotFound:
			k.answer.refusal = batch.RefusalOf(err)
			o := w.retryLater(r, k, outbox.Refused, refusalNote(k.answer.refusal))
			if o.State == outbox.Dead {
				w.dropIn(k, o)
			} else {
				k.ended = append(k.ended, o)
			}
			return nil
		default:
			return err
		}
	}
	if len(wide) > 0 {
		// Whether SUBSCRIBED lifts an opt-out of all e-mail is not documented, so it is read.
		if wide, err = w.hub.OptedOutOfAll(ctx, address, w.cfg.Consent.BusinessUnit); err != nil {
			return err
		}
		if len(wide) > 0 {
			w.dropIn(k, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.Refused, Attempts: r.Attempts + 1, ContactID: k.link.ContactID,
				Note: "HubSpot took the subscriptions and keeps the opt-out of all e-mail: only the person can lift it, in HubSpot"})
			return nil
		}
	}
	w.subscribed(k, outbox.Delivered, "", "")
	return nil
}

// standing reads where an address stands. out is when it was opted out of what would be subscribed, if the evidence is
// not newer than that.
func (w *Worker) standing(ctx context.Context, address string, evidence int64) (wide, single []hubspot.SubscriptionStatus, out time.Time, err error) {
	if wide, err = w.hub.OptedOutOfAll(ctx, address, w.cfg.Consent.BusinessUnit); err != nil {
		return nil, nil, out, err
	}
	if single, err = w.hub.Statuses(ctx, address, w.cfg.Consent.BusinessUnit); err != nil {
		return nil, nil, out, err
	}
	for _, s := range append(slices.Clone(wide), single...) {
		if s.Status != hubspot.StatusSubscribed && s.Status != hubspot.StatusNotSpecified && w.concerns(s) &&
			!time.UnixMilli(evidence).After(s.At) && !s.At.Before(out) {
			out = s.At
		}
	}
	return wide, single, out, nil
}

// subscribed ends a resubscribe: the lead is in, and the opt-outs before it are overtaken.
func (w *Worker) subscribed(k *work, state outbox.State, reason outbox.Reason, note string) {
	r := k.in
	k.link.HearIn(r.Num(), r.Evidence.At, k.resubscribes())
	if ids := w.cfg.Consent.Subscriptions; len(ids) == 0 {
		k.link.Rejoins()
	} else {
		k.link.Rejoins(append(slices.Clone(ids), ledger.AllMail)...)
	}
	k.in, k.dirty = nil, true
	k.words = slices.DeleteFunc(k.words, func(x *intent.Row) bool {
		switch {
		case x == r && k.carries(x):
			k.revisit = true // its fields follow, and it is delivered with them
		case x == r:
			k.endWord(x, state, reason, note)
		case k.owesNamed(x): // an address that was not resubscribed
			k.revisit = true
		case x.End != nil:
			k.ended = append(k.ended, *x.End)
		case k.carries(x):
			k.revisit = true
		default:
			k.endWord(x, outbox.Skipped, outbox.Overtaken, "")
		}
		return true
	})
}

// refuseConsent ends the resubscribe as refused; the word before it counts.
func (w *Worker) refuseConsent(k *work, why string) {
	w.dropIn(k, outbox.Outcome{ID: k.in.ID, State: outbox.Skipped, Reason: outbox.ConsentRefused, Note: why, Attempts: k.in.Attempts, ContactID: k.link.ContactID})
}

func (w *Worker) dropIn(k *work, o outbox.Outcome) {
	r := k.in
	k.ended = append(k.ended, o)
	k.words = slices.DeleteFunc(k.words, func(x *intent.Row) bool { return x == r })
	w.nextWord(k)
	for k.in != nil { // an older resubscribe has older evidence, as a rule: it is judged by itself the next time
		k.revisit = true
		k.words = slices.DeleteFunc(k.words, func(x *intent.Row) bool { return x == k.in })
		w.nextWord(k)
	}
}

// survivorsAddress is the address of the contact into which the lead's own was merged; empty when it was not.
func (w *Worker) survivorsAddress(ctx context.Context, k *work) (string, error) {
	if k.link.State != ledger.Passive || k.link.ContactID == "" {
		return "", nil
	}
	views, err := w.contacts.Batch(ctx, "", []string{string(k.link.ContactID)}, []string{ledger.AddressField, contact.MoreAddresses, contact.OptedOut, contact.MergedIDs})
	if err != nil || len(views) == 0 {
		return "", err
	}
	return views[0].Email, nil
}

// concerns reports whether a status is about what would be subscribed: any, or one of the configured types.
func (w *Worker) concerns(s hubspot.SubscriptionStatus) bool {
	ids := w.cfg.Consent.Subscriptions
	return len(ids) == 0 || s.SubscriptionID == 0 || slices.Contains(ids, s.SubscriptionID)
}

// toSubscribe lists the subscription types that SUBSCRIBED is to be sent for: of the configured ones those that are
// not, else those that are opted out of.
func (w *Worker) toSubscribe(ctx context.Context, wide, single []hubspot.SubscriptionStatus) ([]int64, error) {
	status := map[int64]string{}
	for _, s := range single {
		if s.SubscriptionID != 0 {
			status[s.SubscriptionID] = s.Status
		}
	}
	var ids []int64
	if list := w.cfg.Consent.Subscriptions; len(list) > 0 {
		for _, id := range list {
			if status[id] != hubspot.StatusSubscribed || len(wide) > 0 {
				ids = append(ids, id)
			}
		}
		return ids, nil
	}
	for id, s := range status {
		if s == hubspot.StatusUnsubscribed {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 && len(wide) > 0 {
		defs, err := w.hub.SubscriptionDefinitions(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range defs {
			if d.Active && !d.Internal && (w.cfg.Consent.BusinessUnit == 0 || d.BusinessUnitID == w.cfg.Consent.BusinessUnit) {
				ids = append(ids, d.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// mayNotSubscribe says why our own side refuses the resubscribe; empty when it does not.
func (w *Worker) mayNotSubscribe(ctx context.Context, k *work, r *intent.Row, address string) (string, error) {
	const ours = "an opt-out of the lead is newer than the evidence, or as old"
	if k.link.Consent == ledger.Out && k.link.OptOut.At >= r.Evidence.At {
		return ours, nil
	}
	if spoke, err := w.store.SpokeOut(ctx, k.id, r.Evidence.At); err != nil || spoke {
		return ours, err
	}
	return w.optedOutByOthers(ctx, k, address)
}

// optedOutByOthers says through which other lead an address is opted out, or about to be; empty when through none. A
// lead counts that has the address, that had it or named it when it was opted out, or that shares the contact.
func (w *Worker) optedOutByOthers(ctx context.Context, k *work, address string) (string, error) {
	links, err := w.store.LinksByAddress(ctx, w.hubID(), []string{address})
	if err != nil {
		return "", err
	}
	had, err := w.store.LinksOutAt(ctx, w.hubID(), address)
	if err != nil {
		return "", err
	}
	var same []ledger.Link
	if k.link.ContactID != "" { // since a merge leads share a contact: they are one person
		if same, err = w.store.LinksByContact(ctx, w.hubID(), []lead.ContactID{k.link.ContactID}); err != nil {
			return "", err
		}
	}
	concerns := func(form int64) bool { return w.concerns(hubspot.SubscriptionStatus{SubscriptionID: form}) }
	var others []lead.ID
	for i, l := range slices.Concat(same, links, had) {
		if l.LeadID == k.id && l.Portal == w.cfg.Portal {
			continue
		}
		if l.OutAt(address, concerns) || i < len(same) && l.Consent == ledger.Out {
			return "another lead has opted the address out", nil
		}
		if l.Portal == w.cfg.Portal && i < len(same)+len(links) {
			others = append(others, l.LeadID)
		}
	}
	pending, err := w.store.PendingOptOut(ctx, others, address, k.id)
	if err != nil || !pending {
		return "", err
	}
	return "another lead opts the address out", nil
}

// sawOptOut takes an opt-out that HubSpot shows of the lead's address. Unless it is our own the application is told.
func (w *Worker) sawOptOut(k *work, address string, at time.Time) {
	ms := int64(0)
	if !at.IsZero() {
		ms = outbox.Millis(at)
	}
	if k.link.OptedOutThere(address, ms) {
		if ms == 0 {
			ms = outbox.Millis(w.now())
		}
		k.inbox = append(k.inbox, leftThere(k.id, k.link.ContactID, address, ms))
	}
	k.dirty = true
}

// leftThere tells the application that a person has opted out in HubSpot.
func leftThere(id lead.ID, contact lead.ContactID, address string, at int64) InboxRow {
	return InboxRow{LeadID: id, ContactID: contact, Email: address, ChangeType: inbox.Unsubscribed, Properties: "{}", ChangedAt: at}
}
