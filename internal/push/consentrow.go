package push

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// evidence is what a lead.resubscribed says of the person's consent: {"consent": {"at": ..., "source": ...}} in its properties. at is
// RFC 3339 or unix ms.
type evidence struct {
	at     int64 // unix ms, never later than the row itself; 0 = there is none
	source string
}

// maxSource bounds how much of a source is sent.
const maxSource = 500

// hear takes the word of a row that speaks of consent, and the address of an unsubscribe: they count also when the rest of it is bad.
func (r *row) hear() {
	switch r.typ {
	case outbox.Unsubscribed:
		r.word = ledger.Out
		if r.Email != nil {
			if a, err := lead.NormalizeAddress(*r.Email); err == nil {
				r.addr = string(a)
			}
		}
	case outbox.Resubscribed:
		r.word = ledger.In
	}
}

// spokenAt is when the event happened, unix ms: what the application says, but not later than the row was written.
func (r *row) spokenAt() int64 {
	if r.OccurredAt != nil && *r.OccurredAt < r.CreatedAt {
		return *r.OccurredAt
	}
	return r.CreatedAt
}

// takeEvidence takes the evidence out of the properties of a row that speaks of consent and returns the others. Text that is not what
// it should be is returned as it is: the check of the properties says what is wrong.
func (r *row) takeEvidence(properties []byte) []byte {
	if r.word == "" {
		return properties
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(properties, &all) != nil {
		return properties
	}
	raw, there := all["consent"]
	if !there {
		return properties
	}
	delete(all, "consent")
	rest, err := json.Marshal(all)
	if err != nil {
		return properties
	}
	var said struct {
		At     json.RawMessage `json:"at"`
		Source string          `json:"source"`
	}
	if json.Unmarshal(raw, &said) != nil {
		return rest
	}
	at, source := instant(said.At), strings.TrimSpace(said.Source)
	if at > 0 && source != "" && cleanText(source) {
		r.evidence = evidence{min(at, r.CreatedAt), lead.Cut(source, maxSource)}
	}
	return rest
}

// instant reads RFC 3339 or a number of ms; 0 when it is neither.
func instant(raw json.RawMessage) int64 {
	var ms int64
	if json.Unmarshal(raw, &ms) == nil {
		return ms
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// carries reports whether the row has fields for the contact lane: a value, a value that was left out, or an address that is not the
// contact's. An unsubscribe that only names the address of a person who is no contact makes none; beside an older row that is about to make
// one it says, as it would a moment later, which address the contact has.
func (k *work) carries(r *row) bool {
	if len(r.values)+len(r.left) > 0 || r.addr == "" {
		return len(r.values)+len(r.left) > 0
	}
	if k.link.State == ledger.Linked {
		return r.addr != k.link.Address
	}
	last := r.addr // of the older rows
	for _, o := range k.every {
		if o.id() < r.id() && o.end == nil && o.addr != "" && (o.typ == outbox.Registered || o.typ == outbox.Updated) {
			last = o.addr
		}
	}
	return last != r.addr // where it says nothing new, the row waits for no contact
}

// takeWords parts the rows that speak of consent from those the contact lane folds. A row that also carries fields is folded as well,
// once what it says of consent is done.
func (k *work) takeWords() {
	k.heard = k.link.ConsentID
	k.words = slices.DeleteFunc(slices.Clone(k.rows), func(r *row) bool { return r.word == "" })
	if len(k.words) == 0 {
		return
	}
	k.rows = slices.DeleteFunc(k.rows, func(r *row) bool {
		if r.word == "" {
			return false
		}
		if r.folded = r.end == nil && k.wordDone(r) && k.carries(r); r.folded {
			if k.foldedWords == nil {
				k.foldedWords = map[outbox.EntryID]bool{}
			}
			k.foldedWords[r.ID] = true
		}
		return !r.folded
	})
}

// wordDone reports whether what a row says of consent is done: decided, HubSpot has said of the address that it names that it is opted out,
// and when the lead is out, of its own too.
func (k *work) wordDone(r *row) bool { return k.decided(r) && !k.owesNamed(r) && !k.owesOptOut() }

// owesNamed reports whether the row opts out an address that it names, and HubSpot has not said so of that.
func (k *work) owesNamed(r *row) bool {
	return r.word == ledger.Out && r.addr != "" && r.speaks() && !k.link.Evidenced(r.addr) && !k.outlived(r)
}

// owesOptOut reports whether the lead is out and HubSpot has not said so of its address.
func (k *work) owesOptOut() bool {
	l := k.link
	return l.Consent == ledger.Out && (len(l.OptOut.Evidenced) == 0 || l.State == ledger.Linked && l.Address != "" && !l.Evidenced(l.Address))
}

// speaks reports whether the row has a word that counts: a repeated event has none, and a bad resubscribe neither.
func (r *row) speaks() bool {
	return r.word != "" && (r.end == nil || r.word == ledger.Out && r.end.State == outbox.Dead)
}

// undecided reports whether a word of the lead waits for the unsubscribe lane. A resubscribe that itself waits for an address keeps nothing
// waiting: there is none.
func (k *work) undecided() bool {
	nowhere := k.link.Address == "" && len(addresses(k.rows)) == 0
	return slices.ContainsFunc(k.words, func(r *row) bool {
		return !k.decided(r) && r.speaks() && !(r.word == ledger.In && nowhere && r.addr == "" && r.parked())
	})
}
