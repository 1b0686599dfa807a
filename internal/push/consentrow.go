package push

import (
	"slices"

	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// carries reports whether the row has fields for the contact lane: a value, a value that was left out, or an address
// that is not the contact's. An unsubscribe that only names the address of a person who is no contact makes none;
// beside an older row that is about to make one it says, as it would a moment later, which address the contact has.
func (k *work) carries(r *intent.Row) bool {
	if len(r.Values)+len(r.Omitted) > 0 || r.Address == "" {
		return len(r.Values)+len(r.Omitted) > 0
	}
	if k.link.State == ledger.Linked {
		return r.Address != k.link.Address
	}
	last := r.Address // of the older rows
	for _, o := range k.every {
		if o.Num() < r.Num() && o.End == nil && o.Address != "" && (o.Event == outbox.Registered || o.Event == outbox.Updated) {
			last = o.Address
		}
	}
	return last != r.Address // where it says nothing new, the row waits for no contact
}

// takeWords parts the rows that speak of consent from those the contact lane folds. A row that also carries fields is
// folded as well, once what it says of consent is done.
func (k *work) takeWords() {
	k.heard = k.link.ConsentID
	k.words = slices.DeleteFunc(slices.Clone(k.rows), func(r *intent.Row) bool { return r.Consent == "" })
	if len(k.words) == 0 {
		return
	}
	k.rows = slices.DeleteFunc(k.rows, func(r *intent.Row) bool {
		if r.Consent == "" {
			return false
		}
		if r.Folded = r.End == nil && k.wordDone(r) && k.carries(r); r.Folded {
			if k.foldedWords == nil {
				k.foldedWords = map[outbox.EntryID]bool{}
			}
			k.foldedWords[r.ID] = true
		}
		return !r.Folded
	})
}

// wordDone reports whether what a row says of consent is done: decided, HubSpot has said of the address that it names
// that it is opted out, and when the lead is out, of its own too.
func (k *work) wordDone(r *intent.Row) bool {
	return k.decided(r) && !k.owesNamed(r) && !k.owesOptOut()
}

// owesNamed reports whether the row opts out an address that it names, and HubSpot has not said so of that.
func (k *work) owesNamed(r *intent.Row) bool {
	return r.Consent == ledger.Out && r.Address != "" && r.HasConsent() && !k.link.Evidenced(r.Address) && !k.outlived(r)
}

// owesOptOut reports whether the lead is out and HubSpot has not said so of its address.
func (k *work) owesOptOut() bool {
	l := k.link
	return l.Consent == ledger.Out && (len(l.OptOut.Evidenced) == 0 || l.State == ledger.Linked && l.Address != "" && !l.Evidenced(l.Address))
}

// undecided reports whether a word of the lead waits for the unsubscribe lane. A resubscribe that itself waits for an
// address keeps nothing waiting: there is none.
func (k *work) undecided() bool {
	nowhere := k.link.Address == "" && len(intent.Addresses(k.rows)) == 0
	return slices.ContainsFunc(k.words, func(r *intent.Row) bool {
		return !k.decided(r) && r.HasConsent() && !(r.Consent == ledger.In && nowhere && r.Address == "" && r.Parked())
	})
}
