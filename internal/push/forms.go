package push

import (
	"context"
	"slices"
	"strconv"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// A person may leave single subscription types in HubSpot, or all e-mail while the configuration names types. That is
// no word of the application, and not carried out as one, but it belongs to the address as every opt-out does: whatever
// form was left there goes along to the next address, before a contact has it.

// typeOptedOut begins the name of the contact property that is true when the present address is opted out of the
// subscription type whose id stands behind it. It was seen in dumps of accounts' properties ("Opted out of email:
// NAME") and is not documented: a type that an answer does not show is asked for by address, as
// https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide (read 2026-11-22) has it.
const typeOptedOut = contact.OptedOut + "_"

func typeProperty(id int64) string { return typeOptedOut + strconv.FormatInt(id, 10) }

// maxTypes bounds how many subscription types are read with each contact.
const maxTypes = 200

// knowForms reads which subscription types the account has, once a day, where leads of a job are about to lose an
// address or a contact and their consent with it, and returns the leads that can go on. Those that need the types wait
// while they cannot be read; nobody else does. Without the scope the configured types are all that is known.
func (w *Worker) knowForms(ctx context.Context, works []*work) ([]*work, error) {
	if !slices.ContainsFunc(works, (*work).leavesAddress) {
		return works, nil
	}
	c := w.consent
	c.mu.Lock()
	known, again := w.now().Before(c.typesUntil), c.typesAgain
	c.mu.Unlock()
	if known {
		return works, nil
	}
	if !again.After(w.now()) {
		defs, err := w.hub.SubscriptionDefinitions(ctx)
		switch class := hubspot.Classify(err); {
		case class == hubspot.ClassNone:
			w.knowTypes(defs, account.DefinitionsLife)
			return works, nil
		case class == hubspot.ClassScope, class == hubspot.ClassForbidden:
			w.knowTypes(nil, breaker.ScopeRetry)
			return works, nil
		case breaker.AnyRequest(err):
			return works, err
		}
		w.cfg.Log.Warn(observe.PushDegraded, "step", "read the subscription types", observe.Err, err)
		c.mu.Lock()
		c.typesFails++
		c.typesAgain = w.now().Add(w.cfg.Outage.Delay(c.typesFails))
		again = c.typesAgain
		c.mu.Unlock()
	}
	return slices.DeleteFunc(slices.Clone(works), func(k *work) bool {
		if !k.leavesAddress() {
			return false
		}
		k.done, k.revisit, k.forTypes, k.hint.until = true, true, true, again
		return true
	}), nil
}

// knowTypes keeps the account's active subscription types.
func (w *Worker) knowTypes(defs []hubspot.SubscriptionDefinition, d time.Duration) {
	ids := slices.Clone(w.cfg.Consent.Subscriptions)
	for _, s := range defs {
		if s.Active && !slices.Contains(ids, s.ID) && len(ids) < maxTypes {
			ids = append(ids, s.ID)
		}
	}
	w.consent.mu.Lock()
	defer w.consent.mu.Unlock()
	w.consent.types, w.consent.typesUntil, w.consent.typesFails = ids, w.now().Add(d), 0
}

// types are the subscription types that are known.
func (w *Worker) types() []int64 {
	w.consent.mu.Lock()
	defer w.consent.mu.Unlock()
	if w.consent.types == nil {
		return w.cfg.Consent.Subscriptions
	}
	return w.consent.types
}

// leavesAddress reports whether the lead is about to lose the address it has, and with it what HubSpot holds of its
// consent.
func (k *work) leavesAddress() bool { return k.plan.del != nil || k.plan.diff.Address != nil }

// takeForms takes which types a reading shows the person has left. All that the configuration names are an opt-out like
// one of all e-mail.
func (w *Worker) takeForms(ctx context.Context, k *work, v *contact.View) error {
	var left, silent []int64
	for _, id := range w.types() {
		switch text, shown := v.Values[typeProperty(id)]; {
		case text == "true":
			left = append(left, id)
		case !shown:
			silent = append(silent, id)
		}
	}
	if len(silent) > 0 && v.Email != "" && k.leavesAddress() {
		single, err := w.hub.Statuses(ctx, v.Email, w.cfg.Consent.BusinessUnit)
		switch hubspot.Classify(err) {
		case hubspot.ClassNone, hubspot.ClassScope, hubspot.ClassForbidden: // without the scope nobody can be opted out either
		default:
			return err
		}
		for _, s := range single {
			if s.Status == hubspot.StatusUnsubscribed && slices.Contains(silent, s.SubscriptionID) {
				left = append(left, s.SubscriptionID)
			}
		}
	}
	if !k.undecided() {
		leftForms(w, k, v.Email, left)
	}
	return nil
}

// leftForms notes the types that the person has left at an address.
func leftForms(w *Worker, k *work, address string, left []int64) {
	if len(left) == 0 {
		return
	}
	ours := w.cfg.Consent.Subscriptions
	all := len(ours) > 0 && !slices.ContainsFunc(ours, func(id int64) bool { return !slices.Contains(left, id) })
	switch {
	case all && k.link.Consent == "":
		w.sawOptOut(k, address, time.Time{})
	case all && k.link.Consent == ledger.Out && !k.link.Evidenced(address):
		k.link.Evidence(address)
		k.dirty = true
	}
	for _, id := range left {
		if k.link.Consent == ledger.Out && slices.Contains(ours, id) {
			continue // the word says it
		}
		if k.link.Leaves(id, address) {
			k.dirty = true
		}
	}
}

// leftAll notes that the person has left all e-mail where the word is about less.
func (w *Worker) leftAll(k *work, address string) {
	if len(w.cfg.Consent.Subscriptions) > 0 && k.link.Leaves(ledger.AllMail, address) {
		k.dirty = true
	}
}

// leaveForms opts new addresses out of what the leads have left besides their word.
func (w *Worker) leaveForms(ctx context.Context, asked map[string]*work, said map[string]*optOutAnswer) error {
	for a, k := range asked {
		if _, no := k.blocked[a]; no {
			continue
		}
		s, err := w.leaveFormsAt(ctx, k, a)
		if err != nil {
			return err
		}
		if s != nil {
			said[a] = s
		}
	}
	return nil
}

// leaveFormsAt opts one address out of the forms that are owed there. It returns the refusal of one that HubSpot did
// not take.
func (w *Worker) leaveFormsAt(ctx context.Context, k *work, address string) (*optOutAnswer, error) {
	for _, form := range k.link.FormsOwed(address) {
		var err error
		if form == ledger.AllMail {
			_, err = w.hub.OptOutOfAll(ctx, address, w.cfg.Consent.BusinessUnit)
		} else {
			_, err = w.hub.OptOut(ctx, address, form, w.cfg.Consent.Basis)
		}
		switch hubspot.Classify(err) {
		case hubspot.ClassNone:
			k.link.Leaves(form, address)
			k.dirty = true
		case hubspot.ClassInvalid, hubspot.ClassConflict, hubspot.ClassNotFound:
			return &optOutAnswer{refusal: batch.RefusalOf(err)}, nil
		default:
			return nil, err
		}
	}
	return nil, nil
}

// leaveFormsHere opts the present address of a lead out of what is owed there: somebody changed it in HubSpot, or its
// contact was merged.
func (w *Worker) leaveFormsHere(ctx context.Context, k *work) error {
	address := k.link.Address
	switch {
	case k.link.OwesSurvivor():
		address = k.survivor
	case k.link.State != ledger.Linked:
		return nil
	}
	var s *optOutAnswer
	var err error
	if address != "" {
		s, err = w.leaveFormsAt(ctx, k, address)
	}
	switch {
	case s != nil:
		k.waitAgain(w.now().Add(refusedWait))
	case err == nil && k.in == nil && k.link.OwesSurvivor() && !slices.ContainsFunc(k.outs, func(a string) bool { return !k.link.Evidenced(a) }):
		k.link.OptOut.Survivor, k.dirty = k.link.ContactID, true
	}
	return err
}

// askFormer asks what the person had left at addresses that the contact lost in HubSpot: somebody edited it, or merged
// the contact, before anybody had read it. What was left there counts at the address that it has now, unless the person
// subscribed again since. An address is forgotten when HubSpot has answered, or says that it is none; without the scope
// all leads wait together.
func askFormer(ctx context.Context, w *Worker, k *work) error {
	out, c, now := &k.link.OptOut, w.consent, w.now()
	if len(out.Former) == 0 || out.FormerAt > outbox.Millis(now) {
		return nil
	}
	c.mu.Lock()
	again := c.formerAgain
	c.mu.Unlock()
	if k.in != nil || k.undecided() { // the word that is about to count says how what was left stands to it
		again = now.Add(consentWait)
	}
	for _, a := range slices.Clone(out.Former) {
		if again.After(now) {
			break
		}
		switch err := takeFormer(ctx, w, k, a); hubspot.Classify(err) {
		case hubspot.ClassNone, hubspot.ClassInvalid, hubspot.ClassNotFound:
			k.link.OptOut.Asked(a)
			k.dirty = true
		case hubspot.ClassScope, hubspot.ClassForbidden:
			again = now.Add(breaker.ScopeRetry)
			c.mu.Lock()
			c.formerAgain = again
			c.mu.Unlock()
		default:
			return err
		}
	}
	if again.After(now) {
		out.FormerAt, k.dirty = outbox.Millis(again), true
	}
	return nil
}

// takeFormer takes what HubSpot says of an address of before.
func takeFormer(ctx context.Context, w *Worker, k *work, address string) error {
	unit := w.cfg.Consent.BusinessUnit
	wide, err := w.hub.OptedOutOfAll(ctx, address, unit)
	if err == nil && len(wide) > 0 {
		err = w.contactOptedOut(ctx, k, &contact.View{Email: address, OptedOut: true})
	}
	if err != nil {
		return err
	}
	single, err := w.hub.Statuses(ctx, address, unit)
	var left []int64
	for _, s := range single {
		since := k.link.Consent == ledger.In && !s.At.IsZero() && s.At.UnixMilli() <= k.link.OptOut.At // subscribed after it
		if s.Status == hubspot.StatusUnsubscribed && !since {
			left = append(left, s.SubscriptionID)
		}
	}
	leftForms(w, k, address, left)
	return err
}
