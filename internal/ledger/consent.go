package ledger

import (
	"cmp"
	"maps"
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
// HubSpot's opt-out belongs to the address, not to the contact, so the word alone says nothing about whether the person
// can be mailed: Evidenced does.
type OptOut struct {
	// At is when the word was spoken: the event's time, the latest where there were several, or for In the time of the
	// evidence.
	At int64 `json:"at,omitempty"`
	// Evidenced are the addresses of which HubSpot said after the word that they are opted out, normalised. Beside In they
	// are addresses that rows opted out which named them.
	Evidenced []string `json:"evidenced,omitempty"`
	// For is the address that was resubscribed, while the word is In.
	For string `json:"for,omitempty"`
	// Doubts tells by address until when a SUBSCRIBED may still be carried out whose outcome is not known. It is written
	// before the request, and ends with a reading after that moment: no word ends it.
	Doubts map[string]int64 `json:"doubts,omitempty"`
	// Again is when the opt-out is to be posted and read back once more. Versions before this one wrote it, it is only
	// read.
	Again int64 `json:"again,omitempty"`
	// Left are the forms that HubSpot showed the person had left, besides the word: AllMail, or a subscription type, each
	// with the addresses of which HubSpot has said so.
	Left map[int64][]string `json:"left,omitempty"`
	// Survivor is the contact into which the lead's own was merged, once its address was opted out too, of every form.
	Survivor lead.ContactID `json:"survivor,omitempty"`
	// Former are addresses that the contact lost in HubSpot, of which it is to be asked what the person had left there.
	// FormerAt is the earliest time of that, unix ms; 0 = at once.
	Former   []string `json:"former,omitempty"`
	FormerAt int64    `json:"former_at,omitempty"`
	// NotBefore is the earliest next try without a row, after one that did not succeed.
	NotBefore int64 `json:"not_before,omitempty"`
}

// HearOut takes an opt-out of the application, of the row id, spoken at. It reports whether that changes anything. A
// newer one than the word that stands asks for evidence of its own, of the address that it names and of the lead's,
// since a person may have opted in again in HubSpot meanwhile. An older one that comes late counts as if both had been
// read together: it is stronger than a resubscribe whose evidence is not newer.
func (l *Link) HearOut(id, at int64, named string) bool {
	at = max(at, 1)
	out := OptOut{At: at, Doubts: l.OptOut.Doubts, Again: l.OptOut.Again, Left: l.OptOut.Left, Former: l.OptOut.Former, FormerAt: l.OptOut.FormerAt}
	switch late := id <= l.ConsentID; {
	case late && l.Consent == Out:
		if at <= l.OptOut.At {
			return false
		}
		l.OptOut.At = at
		return true
	case late && l.Consent == In && at < l.OptOut.At:
		return false
	case late && l.Consent == In:
		out.Evidenced = l.OptOut.Evidenced
	case l.Consent == Out: // an earlier opt-out may be the later one in time: the evidence of a resubscribe must be newer than both
		out.At = max(at, l.OptOut.At)
		if (l.State == Linked || l.State == None) && cmp.Or(named, l.Address) != "" { // what other rows named stays done
			out.Evidenced = slices.DeleteFunc(slices.Clone(l.OptOut.Evidenced), func(a string) bool { return a == named || a == l.Address })
		}
	}
	l.Consent, l.ConsentID, l.OptOut = Out, max(id, l.ConsentID), out
	return true
}

// Outlives reports whether a resubscribe that was carried out is newer than an opt-out of the row id, spoken at: of its
// own address the opt-out is overtaken then.
func (l *Link) Outlives(id, at int64) bool {
	return l.Consent == In && id < l.ConsentID && max(at, 1) < l.OptOut.At
}

// HearIn takes a resubscribe of an address that HubSpot has carried out.
func (l *Link) HearIn(id, at int64, address string) {
	l.Consent, l.ConsentID = In, max(id, l.ConsentID)
	l.OptOut = OptOut{At: at, For: address, Doubts: l.OptOut.Doubts, Again: l.OptOut.Again, Left: l.OptOut.Left, Former: l.OptOut.Former, FormerAt: l.OptOut.FormerAt}
}

// AllMail is the form of an opt-out that covers every subscription type. HubSpot gives those ids of their own, above 0.
const AllMail int64 = 0

// Leaves notes that HubSpot shows an address as opted out of a form. It reports whether that is new.
func (l *Link) Leaves(form int64, address string) bool {
	if address == "" || slices.Contains(l.OptOut.Left[form], address) {
		return false
	}
	left := maps.Clone(l.OptOut.Left)
	if left == nil {
		left = map[int64][]string{}
	}
	left[form] = append(slices.Clone(left[form]), address)
	l.OptOut.Left = left
	return true
}

// Rejoins forgets that the person had left forms; none named = all of them.
func (l *Link) Rejoins(forms ...int64) {
	left := maps.Clone(l.OptOut.Left)
	for f := range left {
		if len(forms) == 0 || slices.Contains(forms, f) {
			delete(left, f)
		}
	}
	l.OptOut.Left = left
}

// FormsOwed are the forms that the person has left and that HubSpot has not yet been seen to hold of the address.
func (l *Link) FormsOwed(address string) []int64 {
	var owed []int64
	for f, known := range l.OptOut.Left {
		if !slices.Contains(known, address) {
			owed = append(owed, f)
		}
	}
	slices.Sort(owed)
	return owed
}

// maxFormer bounds how many addresses of before are asked about.
const maxFormer = 20

// Moved notes that HubSpot shows another address than the one the contact was known by, whoever put it there: an
// opt-out belongs to its address, and a reading of the contact shows that of the present one alone.
func (o *OptOut) Moved(from, to string) {
	if from != "" && from != to && !slices.Contains(o.Former, from) && len(o.Former) < maxFormer {
		o.Former = append(slices.Clone(o.Former), from)
	}
}

// Addresses are all that it names, in no order, some perhaps twice.
func (o *OptOut) Addresses() []string {
	all := append(slices.Concat(o.Evidenced, o.Former), o.For)
	for _, known := range o.Left {
		all = append(all, known...)
	}
	return slices.AppendSeq(all, maps.Keys(o.Doubts))
}

// Asked forgets an address of before, of which HubSpot has said what was left there.
func (o *OptOut) Asked(former string) {
	o.Former = slices.DeleteFunc(slices.Clone(o.Former), func(a string) bool { return a == former })
}

// MayResubscribe notes, before a SUBSCRIBED is sent, that it may be carried out until then. What was evidenced of the
// address holds no more.
func (l *Link) MayResubscribe(address string, until int64) {
	l.Doubt(address, until)
	l.Distrust(address)
}

// Distrust forgets the evidence of an address.
func (l *Link) Distrust(address string) {
	l.OptOut.Evidenced = slices.DeleteFunc(slices.Clone(l.OptOut.Evidenced), func(a string) bool { return a == address })
}

// Doubt notes until when a SUBSCRIBED of the address may still be carried out; 0 = it cannot be any more.
func (l *Link) Doubt(address string, until int64) {
	doubts := maps.Clone(l.OptOut.Doubts)
	if until == 0 {
		delete(doubts, address)
	} else {
		if doubts == nil {
			doubts = map[string]int64{}
		}
		doubts[address] = max(until, doubts[address])
	}
	l.OptOut.Doubts = doubts
}

// Doubted lists the addresses whose doubt can be ended by a reading now.
func (l *Link) Doubted(now int64) []string {
	var out []string
	for a, until := range l.OptOut.Doubts {
		if until <= now {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

// OptedOutThere takes an opt-out that HubSpot shows of the address and that did not come from here. at is HubSpot's
// time of it, 0 when it is not known. It reports whether it is news: the stricter side wins, so the word is Out from
// now on.
func (l *Link) OptedOutThere(address string, at int64) bool {
	news := l.Consent != Out
	if news {
		l.Consent = Out
		l.OptOut = OptOut{At: max(at, l.OptOut.At), Evidenced: l.OptOut.Evidenced, Doubts: l.OptOut.Doubts, Again: l.OptOut.Again,
			Left: l.OptOut.Left, Former: l.OptOut.Former, FormerAt: l.OptOut.FormerAt}
	}
	l.OptOut.At = max(at, l.OptOut.At)
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

// OutAt reports whether the link knows that an address is out, its own or one that the lead had or named before: of all
// that the word is about, or of a form that concerns the one who asks.
func (l *Link) OutAt(address string, concerns func(form int64) bool) bool {
	if l.Consent == Out && (l.Address == address || l.Evidenced(address)) || l.Consent == In && l.OptOut.For != address && l.Evidenced(address) {
		return true
	}
	for f, known := range l.OptOut.Left {
		if concerns(f) && slices.Contains(known, address) {
			return true
		}
	}
	return false
}

// OutElsewhere are the addresses besides the link's own of which OutAt may say so.
func (l *Link) OutElsewhere() []string {
	var all []string
	add := func(addresses []string) {
		for _, a := range addresses {
			if a != "" && a != l.Address && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	add(l.OptOut.Evidenced)
	for _, known := range l.OptOut.Left {
		add(known)
	}
	slices.Sort(all)
	return all
}

// OptOutDue is when the unsubscribe lane has work for the link without any row, unix ms; 0 = it has none. The lead is
// out and its contact's present address is not evidenced, whoever changed it; its contact was merged into another,
// whose address the person is mailed at since; the contact lost an address of which HubSpot is to be asked; or a
// SUBSCRIBED of ours is in doubt, whatever the word: another lead may have opted the address out meanwhile.
func (l *Link) OptOutDue() int64 {
	due := int64(0)
	soonest := func(at int64) {
		if due == 0 || at < due {
			due = at
		}
	}
	for _, until := range l.OptOut.Doubts {
		soonest(max(until, l.OptOut.NotBefore, 1))
	}
	if l.State == Linked && l.Address != "" && len(l.FormsOwed(l.Address)) > 0 || l.OwesSurvivor() {
		soonest(max(1, l.OptOut.NotBefore))
	}
	if len(l.OptOut.Former) > 0 {
		soonest(max(1, l.OptOut.FormerAt))
	}
	if l.Consent != Out {
		return due
	}
	if l.OptOut.Again != 0 {
		soonest(l.OptOut.Again)
	}
	if l.State == Linked && l.Address != "" && !l.Evidenced(l.Address) {
		soonest(max(1, l.OptOut.NotBefore))
	}
	return due
}

// OwesSurvivor reports whether the lead's contact was merged into another, and what the person has left, by its word or
// a form, is not known to be left at that one's address.
func (l *Link) OwesSurvivor() bool {
	return l.State == Passive && l.ContactID != "" && l.OptOut.Survivor != l.ContactID && (l.Consent == Out || len(l.OptOut.Left) > 0)
}
