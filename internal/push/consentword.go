package push

import (
	"cmp"
	"slices"
	"time"

	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// hearWords decides which word of the lead's rows counts, the last one by outbox id, and ends the rows that none of it
// depends on. An opt-out is in the link from here on; a resubscribe is only asked for (k.in): what HubSpot and other
// leads say may refuse it.
func (w *Worker) hearWords(k *work) {
	k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool {
		switch {
		case !r.HasConsent():
			k.ended = append(k.ended, *r.End)
		case r.Consent == ledger.In && r.Num() < k.heard:
			k.endWord(r, outbox.Skipped, outbox.Overtaken, "")
		case r.Consent == ledger.In && r.Num() == k.heard && k.link.Consent == ledger.In:
			return false // done, and carries fields
		case r.Consent == ledger.In && !w.cfg.Consent.Resubscribe:
			k.endWord(r, outbox.Skipped, outbox.ConsentRefused, "consent.resubscribe is refuse")
		case r.Consent == ledger.In && r.Evidence.At == 0:
			k.endWord(r, outbox.Skipped, outbox.ConsentRefused, `carries no evidence: {"consent": {"at", "source"}}`)
		case k.outlived(r) && r.End != nil:
			k.ended = append(k.ended, *r.End)
		case k.outlived(r) && !k.carries(r):
			k.endWord(r, outbox.Skipped, outbox.Overtaken, "")
		default:
			return false
		}
		return true
	})
	w.nextWord(k)
	if again := k.link.OptOut.Again; k.link.Consent == ledger.Out && again != 0 && again <= outbox.Millis(w.now()) {
		k.link.OptOut.Evidenced, k.readBack, k.dirty = nil, true, true
	}
}

// outlived reports whether a late opt-out is overtaken by a resubscribe that was carried out: its evidence is newer,
// and the row names no address but the one that was resubscribed.
func (k *work) outlived(r *intent.Row) bool {
	return r.Consent == ledger.Out && k.link.Outlives(r.Num(), r.SaidAt()) && (r.Address == "" || r.Address == cmp.Or(k.link.OptOut.For, k.link.Address))
}

// decided reports whether the link has heard the word of a row.
func (k *work) decided(r *intent.Row) bool {
	late := r.Consent == ledger.Out && k.link.Consent == ledger.In && !k.link.Outlives(r.Num(), r.SaidAt())
	return r.Num() <= k.link.ConsentID && !late
}

// nextWord takes the words that are not decided yet: all opt-outs, so that the latest in time is known, or a
// resubscribe that is the last.
func (w *Worker) nextWord(k *work) {
	k.in = nil
	if n := len(k.words); n > 0 { // they stand in id order
		if r := k.words[n-1]; r.Consent == ledger.In && !k.decided(r) {
			k.in = r
			return
		}
		for _, r := range k.words {
			if r.Consent == ledger.Out && k.link.HearOut(r.Num(), r.SaidAt(), r.Address) {
				k.dirty = true
			}
		}
	}
	if k.link.Consent != ledger.Out {
		return
	}
	k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool { // an opt-out after it: a resubscribe never undoes that
		late := r.Consent == ledger.In && r.Num() < k.link.ConsentID
		if late {
			k.endWord(r, outbox.Skipped, outbox.Overtaken, "")
		}
		return late
	})
}

// endWord ends a row that speaks of consent. That of an erased person leaves nothing but that.
func (k *work) endWord(r *intent.Row, state outbox.State, reason outbox.Reason, note string) {
	if r.Erased {
		state, reason, note = outbox.Skipped, outbox.ErasedPerson, ""
	}
	k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts, ContactID: k.link.ContactID})
}

// endWords ends the rows whose word is done, with HubSpot's evidence behind it. Those that carry fields are left to the
// contact lane.
func (k *work) endWords() {
	k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool {
		switch {
		case !r.HasConsent() || !k.wordDone(r):
			return false
		case r.Folded:
			return true // the fold has it
		case r.End != nil: // its fields are bad, its word was carried out all the same
			k.ended = append(k.ended, *r.End)
		case k.carries(r) && k.erasing() == nil && !r.Erased:
			k.revisit = true
		default:
			if r.Address != "" && r.Address == k.link.Address && k.link.State == ledger.Linked && !r.Erased {
				k.link.Raise(ledger.AddressField, r.Num())
				k.dirty = true
			}
			k.endWord(r, outbox.Delivered, "", "")
		}
		return true
	})
}

// asWord makes delivered what the contact lane would skip of a row whose word was carried out: only its fields are
// nothing new.
func (k *work) asWord(o *outbox.Outcome) {
	if o.State != outbox.Skipped || !slices.Contains([]outbox.Reason{outbox.Unchanged, outbox.Overtaken, outbox.Merged, outbox.NotMapped}, o.Reason) {
		return
	}
	if k.foldedWords[o.ID] {
		o.State, o.Reason = outbox.Delivered, ""
	}
}

// parkWords lets opt-outs wait for an address. The word stands in the link: it is carried out before the first contact
// of the lead is made.
func (w *Worker) parkWords(k *work) {
	k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool {
		switch {
		case r.Consent != ledger.Out || r.Num() > k.link.ConsentID:
			return false
		case r.End != nil:
			k.ended = append(k.ended, *r.End)
		case r.Erased: // there is none, and will be none
			k.endWord(r, outbox.Skipped, outbox.ErasedPerson, "")
		case w.cfg.NoAddress > 0 && w.now().Sub(time.UnixMilli(r.CreatedAt)) > w.cfg.NoAddress:
			k.endWord(r, outbox.Dead, outbox.NoAddress, "")
		case r.NotBefore == nil || *r.NotBefore != outbox.Parked:
			k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Note: "waits for an address", Attempts: r.Attempts, NotBefore: outbox.Parked})
		}
		return true
	})
}
