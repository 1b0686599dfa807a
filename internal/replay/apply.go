package replay

import (
	"fmt"
	"slices"
	"strings"
)

// apply checks how a row ended and plays it, if it ended in HubSpot.
func (w *world) apply(e *event) {
	if e.lead == "" {
		w.ending(e, nil)
		return
	}
	p := w.person(e.lead)
	played := w.ending(e, p)
	switch e.kind {
	case deleted, erased:
		w.leave(p, e, played)
		return
	case unsubscribed:
		p.optOut(e, played)
		if len(e.values) == 0 {
			if e.address != "" && played != no && len(p.addresses) == 0 {
				p.addresses = []string{e.address} // known, should a contact be made; the word alone makes none
			}
			return
		}
	}
	if e.address != "" && played != no {
		p.addresses = admit(p.addresses, played, e.address)
	}
	p.played = max(p.played, played)
	w.play(p, e, played)
	if e.ContactID != "" && played == yes {
		p.rows = append(p.rows, e.Row)
	}
	if e.State == "delivered" && e.ContactID == "" && !p.erase {
		w.ended(e, "no contact_id")
	}
}

// settle says which leads have a contact, now that all their rows are played: a row may have waited for a later one's
// address.
func (w *world) settle() {
	for _, p := range w.order {
		if len(p.addresses) > 0 {
			p.exists = p.played
		} else if p.played == yes {
			w.differ(Difference{Lead: p.id, Text: "rows are settled in HubSpot, but no row brought an address"})
		}
	}
}

func (w *world) ended(e *event, text string) {
	how := e.State
	if e.Reason != "" {
		how += "/" + e.Reason
	}
	w.differ(Difference{Lead: e.lead, Row: e.ID, Text: how + ": " + text})
}

// ending says whether the row's values are in HubSpot, and objects where the row does not explain how it ended.
func (w *world) ending(e *event, p *person) truth {
	faulty := e.State == "dead" && slices.Contains(e.faults, e.Reason)
	switch {
	case e.State == "skipped" && e.Reason == "erased":
		if !w.mayBeErased(e, p) {
			w.ended(e, "nobody asked to erase the person")
		}
		return no
	case p != nil && p.gone && (e.State == "delivered" || e.Reason == "unchanged"):
		w.ended(e, "the person was erased before")
		return no
	case e.duplicate && e.State == "skipped" && e.Reason == "duplicate", faulty && e.broken:
		return no
	case e.duplicate && !e.broken:
		w.ended(e, "an earlier row has the same event_id")
		return no
	case e.broken:
		w.ended(e, "the row is broken: "+strings.Join(e.faults, ", "))
		return no
	case faulty:
		return no
	case e.kind == resubscribed:
		if e.State != "pending" && (e.State != "skipped" || e.Reason != "consent_refused") {
			w.ended(e, "nobody may be subscribed again")
		}
		return no
	}
	switch e.State {
	case "pending":
		return maybe
	case "delivered":
		return yes
	case "skipped":
		return w.skipped(e, p)
	case "dead":
		w.dead(e, p)
		return no
	}
	w.ended(e, "no such state")
	return no
}

func (w *world) skipped(e *event, p *person) truth {
	switch e.Reason {
	case "overtaken":
		if e.kind == unsubscribed || e.kind == deleted {
			return no // its word does not count: a later one does
		}
		return yes
	case "no_contact":
		if e.kind != deleted {
			w.ended(e, "only a delete needs none")
		} else if p.played == yes && len(p.addresses) > 0 {
			w.ended(e, "the lead has one")
		}
		return no
	case "unchanged":
		// Playing it must change nothing that counts: values it has in common with HubSpot are there, later rows follow
		// below.
		return yes
	case "by_operator":
		return maybe // a request may have carried it already
	case "duplicate":
		w.ended(e, "no earlier row has its event_id")
	default:
		w.ended(e, "nothing in the rows explains it")
	}
	return no
}

// dead objects to a good row that ended dead, unless HubSpot or another lead is in its way.
func (w *world) dead(e *event, p *person) {
	switch e.Reason {
	case "invalid_email", "portal_rule", "refused":
		if e.CorrelationID == "" {
			w.ended(e, "the row is good, and no refused request is named")
		}
	case "invalid_property":
		if e.address != "" {
			w.ended(e, "the address could be delivered without the property")
			return
		}
		for _, name := range sortedNames(e.values) {
			if ok, _ := w.properties[name].taken(e.values[name]); ok == yes && e.CorrelationID == "" {
				w.differ(Difference{Lead: e.lead, Row: e.ID, Field: name, Text: "dead/invalid_property: the value is good"})
			}
		}
	case "address_taken":
		for a := range p.former {
			if len(w.users[a]) > 1 && (e.address == "" || e.address == a) {
				return
			}
		}
		w.ended(e, "no other lead has the address")
	default:
		w.ended(e, "nothing in the rows explains it")
	}
}

// play takes the row's values into the lead.
func (w *world) play(p *person, e *event, played truth) {
	note := readNote(e.Note)
	kept := 0
	for _, name := range sortedNames(e.values) {
		ok, canons := w.properties[name].taken(e.values[name])
		out := note.leftOut[name] || ok == no && note.vague
		object := func(text string) {
			if e.State == "delivered" || e.Reason == "unchanged" {
				w.differ(Difference{Lead: e.lead, Row: e.ID, Field: name, Text: text})
			}
		}
		switch {
		case played == no:
		case out && ok == yes && !w.properties[name].Unique:
			object("left out, though HubSpot takes the value")
		case out:
		case ok == no:
			object("HubSpot does not take the value, and the note does not say so")
			out = true
		case note.notTaken[name]:
			out = true
		default:
			kept++
			p.fields[name] = w.forward(name, w.known(p, name), played, canons)
		}
		for _, c := range canons {
			p.said[name] = append(p.said[name], saying{c, e.ID, played != no && !out})
		}
	}
	if e.State == "delivered" && kept == 0 && len(note.leftOut) > 0 && e.address == "" {
		w.ended(e, "every field was left out")
	}
}

// admit is what may stand after a row: its values, and what stood before when the row may not have been played.
func admit(before []string, played truth, canons ...string) []string {
	if played == yes {
		return canons
	}
	return append(slices.Clone(before), canons...)
}

// forward is admit, but for the stage of a contact, which only moves forward
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22); an attempt to
// go back is answered as a success (https://integrate.hubspot.com/t/update-lifecycle-stage-using-api/1333, read
// 2026-11-22). So the stage before may stand, whether the answer, and with it the note, shows that or not. A contact
// that begins with a cleared stage gets HubSpot's.
func (w *world) forward(name string, before []string, played truth, canons []string) []string {
	after := admit(before, played, canons...)
	if name != "lifecyclestage" || played != yes {
		return after
	}
	if canons[0] == "" && slices.Contains(before, "") {
		return before
	}
	options := w.properties[name].Options
	place := func(v string) int { return slices.IndexFunc(options, func(o Option) bool { return o.Value == v }) }
	for _, b := range before {
		if b != "" && canons[0] != "" && place(b) > place(canons[0]) && !slices.Contains(after, b) {
			after = append(slices.Clone(after), b)
		}
	}
	return after
}

// setByHubSpot are values of a new contact that no row brought.
// Seen in captures, github.com/B0yko/booking-truth (read 2026-11-22).
var setByHubSpot = map[string]string{"lifecyclestage": "lead"}

// known is what a property of the lead may hold now.
func (w *world) known(p *person, name string) []string {
	if v, ok := p.fields[name]; ok {
		return v
	}
	if v, ok := setByHubSpot[name]; ok {
		return []string{"", v}
	}
	return []string{""}
}

// note is what a row's note says of its fields.
type note struct {
	leftOut, notTaken map[string]bool
	vague             bool // it leaves names out
}

// readNote reads `left out: plan (PROPERTY_DOESNT_EXIST), age (INVALID_INTEGER); not taken: lifecyclestage`.
func readNote(text string) note {
	n := note{leftOut: map[string]bool{}, notTaken: map[string]bool{}}
	for part := range strings.SplitSeq(text, "; ") {
		list, into := strings.CutPrefix(part, "left out: ")
		names := n.leftOut
		if !into {
			if list, into = strings.CutPrefix(part, "not taken: "); !into {
				continue
			}
			names = n.notTaken
		}
		for item := range strings.SplitSeq(list, ", ") {
			name, _, _ := strings.Cut(item, " (")
			var more int
			if _, err := fmt.Sscanf(item, "and %d more", &more); err == nil || strings.HasPrefix(item, "(odd name)") {
				n.vague = true
				continue
			}
			names[name] = true
		}
	}
	return n
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
