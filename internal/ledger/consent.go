package ledger

import (
	"slices"

	"leadsync/internal/lead"
)

// The words of Link.Consent. The empty word: nobody has said anything.
const (
	Out = "out" // opted out, by the application's word or by what HubSpot showed
	In  = "in"  // resubscribed, with evidence
)

// OptOut is what a link knows of its consent word besides the word itself. Times are unix ms, 0 = none.
//
// HubSpot's opt-out belongs to the address, not to the contact, so the word alone says nothing about whether the person can be mailed:
// Evidenced does.
type OptOut struct {
	// At is when the word was spoken: the event's time, or for In the time of the evidence.
	At int64 `json:"at,omitempty"`
	// Evidenced are the addresses of which HubSpot said after the word that they are opted out, normalised.
	Evidenced []string `json:"evidenced,omitempty"`
	// Doubt is when a SUBSCRIBED was sent whose outcome is not known. It is written before the request.
	Doubt int64 `json:"doubt,omitempty"`
	// Again is when the opt-out is to be posted and read back once more, because a SUBSCRIBED may still be carried out after it.
	Again int64 `json:"again,omitempty"`
	// Survivor is the contact into which the lead's own was merged, once its address was opted out too.
	Survivor lead.ContactID `json:"survivor,omitempty"`
	// NotBefore is the earliest next try without a row, after one that did not succeed.
	NotBefore int64 `json:"not_before,omitempty"`
}

// HearOut takes an opt-out of the application, of the row id, spoken at. An older one than the word that stands is not heard. Every
// word asks for evidence of its own, since a person may have opted in again in HubSpot meanwhile. again is when it is to be posted once
// more should a SUBSCRIBED of ours be in doubt.
func (l *Link) HearOut(id, at, again int64) bool {
	if id <= l.ConsentID {
		return false
	}
	o := OptOut{At: max(at, 1)}
	if l.OptOut.Doubt != 0 || l.OptOut.Again != 0 {
		o.Again, o.Doubt = again, l.OptOut.Doubt
	}
	if l.Consent == Out { // an earlier opt-out may be the later one in time: the evidence of a resubscribe must be newer than both
		o.At = max(o.At, l.OptOut.At)
	}
	l.Consent, l.ConsentID, l.OptOut = Out, id, o
	return true
}

// HearIn takes a resubscribe that HubSpot has carried out.
func (l *Link) HearIn(id, at int64) {
	l.Consent, l.ConsentID, l.OptOut = In, max(id, l.ConsentID), OptOut{At: at}
}

// OptedOutThere takes an opt-out that HubSpot shows of the address and that did not come from here. at is HubSpot's time of it, 0 when
// it is not known. It reports whether it is news: the stricter side wins, so the word is Out from now on.
func (l *Link) OptedOutThere(address string, at int64) bool {
	news := l.Consent != Out
	if news {
		l.Consent, l.OptOut = Out, OptOut{At: at, Doubt: l.OptOut.Doubt}
	}
	l.Evidence(address)
	return news
}

// Evidence notes that HubSpot said of an address that it is opted out.
func (l *Link) Evidence(address string) {
	if address != "" && !l.Evidenced(address) {
		l.OptOut.Evidenced = append(slices.Clone(l.OptOut.Evidenced), address)
	}
}

// Evidenced reports whether HubSpot has said since the word that the address is opted out.
func (l *Link) Evidenced(address string) bool { return slices.Contains(l.OptOut.Evidenced, address) }

// OptOutDue is when the unsubscribe lane has work for the link without any row, unix ms; 0 = it has none. The lead is out and its
// contact's present address is not evidenced, whoever changed it; its contact was merged into another, whose address the person is mailed at
// since; or an opt-out is to be posted again.
func (l *Link) OptOutDue() int64 {
	if l.Consent != Out {
		return 0
	}
	due := l.OptOut.Again
	if l.State == Linked && l.Address != "" && !l.Evidenced(l.Address) || l.State == Passive && l.ContactID != "" && l.OptOut.Survivor != l.ContactID {
		if n := max(1, l.OptOut.NotBefore); due == 0 || n < due {
			due = n
		}
	}
	return due
}
