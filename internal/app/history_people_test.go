package app

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"leadsync/internal/hubspotsim"
)

// What people do in the histories of TestHistoriesHarmNobody.

// salesMakes makes a contact of sales: as it is, out of all e-mail, or out of one type.
func (h *harmHistory) salesMakes(n int) {
	s := &salesContact{address: fmt.Sprintf("sales%d@example.org", n)}
	var err error
	s.id, err = h.sim.Create(map[string]string{"email": s.address, "firstname": "Sales", "company": "Theirs"})
	must(h.t, err)
	if n > 0 {
		h.rig.leave(s.address, int64(n-1))
	}
	h.sales = append(h.sales, s)
	h.looksAt(s)
}

// looksAt notes how people left a contact of sales.
func (h *harmHistory) looksAt(s *salesContact) { s.holds = h.holds(s) }

// holds is all that HubSpot shows of a contact of sales and of its consent, but for the times; nil = it is not there.
func (h *harmHistory) holds(s *salesContact) map[string]string {
	for _, c := range h.sim.Contacts() {
		if c.ID != s.id {
			continue
		}
		all := maps.Clone(c.Properties)
		maps.DeleteFunc(all, func(p, _ string) bool { return strings.Contains(p, "date") })
		for _, form := range []int64{1, 2} {
			all[fmt.Sprint("type ", form)] = h.sim.Status(s.address, form)
		}
		all["out"] = fmt.Sprint(h.sim.OptedOut(s.address))
		return all
	}
	return nil
}

func (h *harmHistory) salesEdits(s *salesContact) {
	switch target := (hubspotsim.Target{ID: s.id}); h.rnd.IntN(3) {
	case 0: // another contact of theirs becomes this one
		_, err := h.sim.Create(map[string]string{"email": fmt.Sprintf("more%d@example.org", h.made), "city": "Theirs"})
		must(h.t, err)
		id, err := h.sim.Merge(target, hubspotsim.Target{Email: fmt.Sprintf("more%d@example.org", h.made)})
		must(h.t, err)
		h.made++
		s.id = id
	default:
		must(h.t, h.sim.Edit(target, map[string]string{"company": fmt.Sprint("Theirs ", len(h.lines))}))
	}
	h.say("sales changes %s (%s)", s.id, s.address)
	h.looksAt(s)
}

// contactOf is the live contact that carries the lead's marker.
func (h *harmHistory) contactOf(lead int) *hubspotsim.ContactView {
	for _, c := range h.sim.Contacts() {
		if c.Properties["zip"] == marker(lead) {
			return &c
		}
	}
	return nil
}

// twin merges one to three contacts that people made of the same person with the lead's, one into the next.
func (h *harmHistory) twin(lead int) {
	c := h.contactOf(lead)
	if c == nil {
		return
	}
	at := c.ID
	for range 1 + h.rnd.IntN(3) {
		id, err := h.sim.Create(map[string]string{"email": fmt.Sprintf("lead%d-t%d@example.com", lead, h.made), "lastname": "Twin"})
		must(h.t, err)
		h.made++
		kept, gone := hubspotsim.Target{ID: at}, hubspotsim.Target{ID: id}
		if h.rnd.IntN(2) == 0 {
			kept, gone = gone, kept
		}
		into, err := h.sim.Merge(kept, gone)
		must(h.t, err)
		h.say("a person merges %s into %s, which is %s", gone.ID, kept.ID, into)
		at = into
		time.Sleep(time.Duration(h.rnd.IntN(2)) * 5 * time.Second)
	}
	h.twins[lead] = true
}

func (h *harmHistory) mergeLeads(lead int) {
	other := lead%harmLeads + 1
	a, b := h.contactOf(lead), h.contactOf(other)
	if a == nil || b == nil || a.ID == b.ID {
		return
	}
	into, err := h.sim.Merge(hubspotsim.Target{ID: a.ID}, hubspotsim.Target{ID: b.ID})
	must(h.t, err)
	h.say("a person merges %s of lead %d into %s of lead %d, which is %s", b.ID, other, a.ID, lead, into)
	h.merged[lead], h.merged[other] = true, true
}

// leaves lets the person of a lead leave all e-mail or a type in HubSpot, at the address that the contact has.
func (h *harmHistory) leaves(lead int) {
	c := h.contactOf(lead)
	if c == nil || c.Properties["email"] == "" {
		return
	}
	form, address := int64(h.rnd.IntN(3)), c.Properties["email"]
	if form == 0 && h.sim.OptedOut(address) || form != 0 && h.sim.Status(address, form) == "UNSUBSCRIBED" {
		return // HubSpot keeps the time of the first one
	}
	h.say("lead %d leaves %d at %s", lead, form, address)
	h.rig.leave(address, form)
	h.left[lead] = append(h.left[lead], leftForm{form, time.Now().UnixMilli()})
}
