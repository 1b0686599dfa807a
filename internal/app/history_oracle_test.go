package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"leadsync/internal/hubspotsim"
)

// account holds the end of a history against what was done, by a plain reading of it.
func (h *harmHistory) account() {
	h.stands()
	for _, s := range h.sales {
		if now := h.holds(s); !maps.Equal(now, s.holds) {
			h.t.Errorf("contact %s of sales was touched:\n  %v\n  %v", s.id, s.holds, now)
		}
	}
	of := map[int][]hubspotsim.ContactView{}
	byID := map[string]hubspotsim.ContactView{}
	for _, c := range h.sim.Contacts() {
		byID[c.ID] = c
		if mark := c.Properties["zip"]; mark != "" {
			of[int(mark[1]-'0')] = append(of[int(mark[1]-'0')], c)
		}
	}
	for lead := 1; lead <= harmLeads; lead++ {
		for _, row := range h.rows {
			if row.lead == lead && !h.explains(row) {
				h.t.Errorf("row %d (%s) of lead %d is %s/%s: %s", row.id, row.typ, lead, row.state, row.reason, row.note)
			}
		}
		var state, contact string
		_ = h.db.QueryRow(`SELECT state, contact_id FROM leadsync_links WHERE lead_id = ?`, fmt.Sprint("lead-", lead)).Scan(&state, &contact) // erased: none
		c, live := byID[contact]
		if n := len(of[lead]); n > 1 && !h.merged[lead] && !(h.lost && len(h.skipped) > 0) {
			h.t.Errorf("lead %d has %d contacts", lead, n)
		}
		if h.wiped(lead) {
			if len(of[lead]) > 0 && !h.merged[lead] {
				h.t.Errorf("lead %d was erased, and contact %s is there", lead, of[lead][0].ID)
			}
			continue
		}
		h.mailable(lead, of[lead])
		if state == "linked" && live && !h.merged[lead] {
			h.agrees(lead, c)
		}
		if state == "linked" && !live && !h.merged[lead] {
			h.t.Errorf("lead %d is linked to %s, which is not there", lead, contact)
		}
	}
}

// stands reads how the rows ended.
func (h *harmHistory) stands() {
	for _, row := range h.rows {
		o := h.outcome(row.id)
		row.state, row.reason, row.note, row.attempts = o.State, o.Reason, o.Note, o.Attempts
		h.say("%d %s of lead %d: %s %s", row.id, row.typ, row.lead, o.word(), o.Note)
	}
}

func (h *harmHistory) wiped(lead int) bool {
	return slices.ContainsFunc(h.rows, func(row *modelRow) bool {
		return row.lead == lead && row.typ == "lead.erased" && row.state == "delivered"
	})
}

// addressed reports whether a row that named an address of the lead was carried out.
func (h *harmHistory) addressed(lead int) bool {
	return slices.ContainsFunc(h.rows, func(row *modelRow) bool { return row.lead == lead && row.email != "" && row.state == "delivered" })
}

// explains reports whether the history explains how a row ended.
func (h *harmHistory) explains(row *modelRow) bool {
	values := row.typ == "lead.registered" || row.typ == "lead.updated"
	deletes := h.wrote(row.lead, "lead.deleted")
	switch row.state + "/" + row.reason {
	case "delivered/":
		return true
	case "pending/":
		return row.note == "waits for an address" && (deletes || !h.addressed(row.lead))
	case "skipped/by_operator":
		return h.skipped[row.id]
	case "skipped/unchanged":
		return row.typ != "lead.unsubscribed"
	case "skipped/overtaken":
		return values || row.typ == "lead.resubscribed" || row.typ == "lead.unsubscribed" && h.wrote(row.lead, "lead.resubscribed")
	case "skipped/erased":
		return h.erased[row.lead]
	case "skipped/no_contact":
		return row.typ == "lead.deleted" || row.typ == "lead.erased"
	case "skipped/consent_refused":
		return row.typ == "lead.resubscribed"
	case "skipped/merged":
		return h.merged[row.lead]
	case "dead/address_taken":
		return h.forged[row.id] && row.email != "" || h.merged[row.lead]
	case "dead/shared_contact":
		return (row.typ == "lead.deleted" || row.typ == "lead.erased") && (h.merged[row.lead] || h.twins[row.lead] || deletes)
	case "dead/gave_up":
		return h.lost
	case "dead/contact_gone":
		return h.merged[row.lead]
	}
	return false
}

func (h *harmHistory) wrote(lead int, typ string) bool {
	return slices.ContainsFunc(h.rows, func(row *modelRow) bool { return row.lead == lead && row.typ == typ })
}

// mailable: what the lead said last of consent holds for every address that it names and that its contact has.
func (h *harmHistory) mailable(lead int, contacts []hubspotsim.ContactView) {
	last := utterance{}
	for _, s := range h.spoken {
		if o := h.outcome(s.id); s.lead == fmt.Sprint(lead) && s.in && (o.State == "delivered" || o.word() == "skipped/unchanged") && s.id > last.id {
			last = s
		}
	}
	if last.id != 0 && h.merged[lead] {
		return // the word may have been about an address of the other lead
	}
	h.silent(lead)
	out := false
	for _, s := range h.spoken {
		if s.lead != fmt.Sprint(lead) || s.in || s.afterErase || last.id != 0 && s.id < last.id && s.at < last.at {
			continue
		}
		if out = true; s.email != "" {
			h.holdsOut(s.email, fmt.Sprintf("row %d names it", s.id))
		}
	}
	for _, c := range contacts {
		a := c.Properties["email"]
		if a == "" {
			continue
		}
		if out {
			h.holdsOut(a, fmt.Sprintf("lead %d is out", lead))
		}
		for _, l := range h.left[lead] {
			if last.id != 0 && last.at > l.at {
				continue
			}
			if l.form == 0 && !h.sim.OptedOut(a) || l.form != 0 && h.sim.Status(a, l.form) != "UNSUBSCRIBED" {
				h.t.Errorf("%s is mailable, and the person of lead %d left %d in HubSpot", a, lead, l.form)
			}
		}
	}
}

// agrees: the application that has taken its inbox has the values of the contact, but for rows that it can see were not
// delivered.
func (h *harmHistory) agrees(lead int, c hubspotsim.ContactView) {
	for field := range twoWay {
		told := slices.ContainsFunc(h.rows, func(row *modelRow) bool {
			_, carries := row.fields[field]
			stays := row.state == "dead" || row.state == "pending" || row.reason == "by_operator" || row.reason == "consent_refused"
			return row.lead == lead && stays && (carries || row.typ == "lead.deleted")
		})
		if have, value := c.Properties[field], h.app.values[fmt.Sprint("lead-", lead, " ", field)]; have != value && !told {
			h.t.Errorf("lead %d: the application has %s = %q, HubSpot %q on %s", lead, field, value, have, c.ID)
		}
	}
}

// silent: from the moment an unsubscribe of a lead that never resubscribes is done, no address of the lead becomes
// mailable. HubSpot's log knows that of all e-mail only.
func (h *harmHistory) silent(lead int) {
	var out int64
	for _, row := range h.rows {
		if row.lead == lead && row.typ == "lead.unsubscribed" && row.state == "delivered" && out == 0 {
			must(h.t, h.db.QueryRow(`SELECT settled_at FROM lead_outbox WHERE id = ?`, row.id).Scan(&out))
		}
	}
	if out == 0 || h.types != nil || h.wrote(lead, "lead.resubscribed") || h.merged[lead] {
		return
	}
	for _, e := range h.sim.ConsentLog() {
		if e.Kind == hubspotsim.ConsentMailable && e.At > out && strings.HasPrefix(e.Address, fmt.Sprintf("lead%d-a", lead)) {
			h.t.Errorf("lead %d is out since %d, and mailable at %s at %d", lead, out, e.Address, e.At)
		}
	}
}
