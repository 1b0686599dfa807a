package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// An erase goes through phases, each of which may be repeated after a crash; the row stays pending until the last:
//
//	find     who is it: every contact of the link, the id property and every address of the lead's rows
//	entomb   one transaction: tombstones, all other rows skipped; from here nothing acts for the lead but this
//	purge    HubSpot erases each contact; then the row waits for a second look, since a request that was under way may still be executed
//	wipe     one transaction, when a look found nothing more: payloads are overwritten, the row lives on under a marker
//	scrub    what was overwritten leaves the files; then the row is delivered

const (
	// eraseLooks is how long HubSpot may go on to show a contact that it said it has erased: the purge may take up to 30
	// days (https://knowledge.hubspot.com/privacy-and-consent/how-do-i-perform-a-gdpr-delete-in-hubspot, read 2026-11-22),
	// and what it asks for is done with its answer.
	eraseLooks = 10 * time.Minute
	// scrubAgain is how soon the files are tried again.
	scrubAgain = time.Minute
)

// eraseAll takes each erase of a job a phase further. Trouble that holds for all ends it; the leads behind it come
// again.
func (w *Worker) eraseAll(ctx context.Context, works []*work) error {
	var failed error
	for _, k := range works {
		k.done, k.revisit = true, true
		if failed != nil && breaker.ForAll(failed) || ctx.Err() != nil {
			continue
		}
		if err := w.erase(ctx, k); err != nil {
			k.failed(err, 1)
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(failed, w.settle(ctx, works))
}

// erase takes one lead a phase further.
func (w *Worker) erase(ctx context.Context, k *work) error {
	r, now := k.plan.del, w.now()
	switch {
	case k.tomb != nil && k.tomb.Marker:
		return w.bury(ctx, k, orEmpty(r.Note), nil)
	case k.tomb != nil && k.tomb.PurgedAt != 0 && now.Before(time.UnixMilli(k.tomb.PurgedAt).Add(w.cfg.SecondLook)):
		w.lookLater(k, time.UnixMilli(k.tomb.PurgedAt).Add(w.cfg.SecondLook), purgedBefore(r), evidenceSaid(orEmpty(r.Note)))
		k.skipRepeats(r)
		return nil
	case w.inDoubt(): // a request of the owner before may still be under way
		k.hint.until = w.began.Add(w.cfg.Doubt)
		return nil
	}
	f, err := w.findPerson(ctx, k)
	if err != nil || f == nil {
		return err
	}
	if len(f.asks) > 0 {
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.SharedContact, Attempts: r.Attempts,
			Note: askNote(f.asks, f.why, "leadsync erase LEAD")})
		return nil
	}
	looked := k.tomb != nil && k.tomb.PurgedAt != 0
	n := len(f.live)
	if looked && !f.fresh { // the same ones once more
		n = 0
	}
	k.touches = purgedBefore(r) + n
	if may, err := w.allowed(ctx, []*work{k}); err != nil || len(may) == 0 {
		return err
	}
	if looked && (len(f.live) == 0 || !f.fresh && now.Sub(time.UnixMilli(k.tomb.ErasedAt)) > eraseLooks) {
		return w.wipe(ctx, k, f)
	}
	f.spare()
	if err := w.keepAsked(ctx, f.claim); err != nil {
		return err
	}
	f.Person.PurgedAt = 0
	if err := w.store.Entomb(ctx, w.hubID(), f.Person); err != nil {
		return w.withTrouble(err)
	}
	k.tomb = cmp.Or(k.tomb, &Tomb{ErasedAt: outbox.Millis(now)})
	for _, id := range f.live {
		if refused, err := w.purgeContact(ctx, k, id); err != nil || refused {
			return err
		}
	}
	f.Person.PurgedAt = outbox.Millis(w.now())
	if err := w.store.Entomb(ctx, w.hubID(), f.Person); err != nil {
		return w.withTrouble(err)
	}
	note := evidenceSaid(orEmpty(r.Note))
	if n > 0 {
		note = joinNotes(note, f.evidenceNote())
	}
	w.lookLater(k, w.now().Add(w.cfg.SecondLook), k.touches, note)
	return nil
}

// skipRepeats ends the rows that came after the tombstone beside the erase that goes on: one that stayed due would
// bring the lead back at once.
func (k *work) skipRepeats(r *intent.Row) {
	for _, o := range k.rows {
		if o.ID != r.ID {
			k.ended = append(k.ended, outbox.Outcome{ID: o.ID, State: outbox.Skipped, Reason: outbox.ErasedPerson, Attempts: o.Attempts})
		}
	}
}

// purgeContact erases one contact in HubSpot. refused: HubSpot does not want to, and the row is put off or dead.
func (w *Worker) purgeContact(ctx context.Context, k *work, id lead.ContactID) (refused bool, err error) {
	err = w.hub.GDPRDelete(ctx, id)
	if err == nil || contact.NotFound(err) {
		w.wroteWell(hubspot.OpGDPRDelete)
		return false, nil
	}
	switch hubspot.Classify(err) {
	case hubspot.ClassInvalid, hubspot.ClassConflict:
		k.answer.refusal = batch.RefusalOf(err)
		k.ended = append(k.ended, w.retryLater(k.plan.del, k, outbox.Refused, refusalNote(k.answer.refusal)))
		k.ended[len(k.ended)-1].ContactID = ""
		k.dirty = true // the contact stays, so what its lead owes of consent is owed again
		k.answer, k.revisit = answer{}, false
		return true, nil
	}
	if hubspot.OutcomeUnknown(err) {
		k.hint.unknown = true
	}
	return false, err
}

// withTrouble adds push's own word to an error of the database. One that HubSpot's client names is none, though a
// connection that was cut looks alike on both sides; what of it is the database's has its word already.
func (w *Worker) withTrouble(err error) error {
	if err == nil || hubspot.OpOf(err) != "" {
		return err
	}
	if t := w.store.Trouble(err); t != nil {
		return errors.Join(t, err)
	}
	return err
}

const purgedNote = "erased in HubSpot: %d contacts"

// purgedBefore is how many contacts HubSpot has erased for the row so far.
func purgedBefore(r *intent.Row) (n int) {
	if r.Note != nil {
		_, _ = fmt.Sscanf(*r.Note, purgedNote, &n) // 0 when it says nothing of the kind
	}
	return n
}

// lookLater puts an erase off until HubSpot is looked at again.
func (w *Worker) lookLater(k *work, at time.Time, contacts int, evidence string) {
	r := k.plan.del
	o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, NotBefore: outbox.Millis(at),
		Note: joinNotes(fmt.Sprintf(purgedNote, contacts), "looks again at "+at.UTC().Format(time.RFC3339), evidence)}
	k.ended, k.revisit = append(k.ended, o), false
}

// wipe overwrites what the database holds of the person, and goes on to the files.
func (w *Worker) wipe(ctx context.Context, k *work, f *found) error {
	note := ""
	say := func(n Wiped) string {
		note = fmt.Sprintf("erased %s: %d contacts in HubSpot, %d other rows and %d inbox rows here", w.now().UTC().Format(time.RFC3339),
			purgedBefore(k.plan.del), n.Rows, n.Inbox)
		if f.left > 0 {
			note += fmt.Sprintf("; %d contacts of other leads under an address of the lead were left", f.left)
		}
		if f.strangers > 0 {
			note += fmt.Sprintf("; %d contacts under an address that only rows name were left: nothing shows that they are the lead's", f.strangers)
		}
		if len(f.live) > 0 {
			note += fmt.Sprintf("; HubSpot still showed %d, its own deletion may take up to 30 days", len(f.live))
		}
		return joinNotes(note, evidenceSaid(orEmpty(k.plan.del.Note)))
	}
	f.spare()
	// The commit point: behind it nothing here names the person, and the row can be found by its marker alone.
	if err := w.store.Wipe(ctx, f.Person, say); err != nil {
		return w.withTrouble(err)
	}
	return w.bury(ctx, k, note, f.needles)
}

// bury ends an erase: the files are scrubbed and the row is delivered.
func (w *Worker) bury(ctx context.Context, k *work, note string, needles []string) error {
	r := k.plan.del
	err := w.store.Scrub(ctx, needles)
	switch {
	case errors.Is(err, settlement.ErrStillRead):
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: note, NotBefore: outbox.Millis(w.now().Add(scrubAgain))})
		k.revisit = false
		return nil
	case err != nil:
		return w.withTrouble(err)
	}
	k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Delivered, Attempts: r.Attempts, Note: note})
	w.cfg.Log.Info(observe.PersonErased, observe.OutboxID, int64(r.ID)) // and nothing about whom
	return nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// found is what a look for a person brought.
type found struct {
	Person
	claim *claim
	live  []lead.ContactID // to be erased
	by    map[lead.ContactID]Evidence
	fresh bool // one of them was not known when the erase began
	// asks are contacts of which a person must say whose they are; why says what is wrong with the last of them.
	asks  []lead.ContactID
	why   string
	extra []lead.ContactID // live ones that are the lead's, but not by its link
	seen  []lead.ContactID // judged already
	// left are contacts of other leads that have an address of the lead, strangers those of nobody that are not the
	// lead's.
	left, strangers int
	// named are addresses of the rows that ask for the erase, written those of its other rows, spared those of people who
	// are left alone.
	named, written, spared []string
	// needles are texts of the person by which the files of a database are searched.
	needles []string
}

// spare takes the addresses of contacts that are left alone out of what is erased.
func (f *found) spare() {
	f.Addresses = slices.DeleteFunc(f.Addresses, func(a string) bool { return slices.Contains(f.spared, a) })
}

const evidenceWord = "evidence: "

// evidenceNote says by which evidence the contacts are the lead's, and names none.
func (f *found) evidenceNote() string {
	count := map[Evidence]int{}
	for _, id := range f.live {
		count[f.by[id]]++
	}
	var parts []string
	for _, e := range []Evidence{ByLink, ByMerge, ByIDProperty, ByDelivery, ByRequest, SaidSo} {
		if count[e] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", e, count[e]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return evidenceWord + strings.Join(parts, ", ")
}

// evidenceSaid is what a note says of evidence.
func evidenceSaid(note string) string {
	if i := strings.Index(note, evidenceWord); i >= 0 {
		return note[i:]
	}
	return ""
}
