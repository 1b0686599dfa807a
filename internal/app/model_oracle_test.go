package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/hubspotsim"
)

// check holds the end of a history against the plain model: the fold of each lead's rows in id order, whatever was done
// to them.
func (m *model) check() {
	m.account()
	links := m.links()
	contacts := map[string]hubspotsim.ContactView{}
	owners := map[int]int{} // lead -> live contacts that carry its marker
	for _, c := range m.sim.Contacts() {
		contacts[c.ID] = c
		if mark := c.Properties["zip"]; mark != "" {
			owners[int(mark[1]-'0')]++
			if len(m.merged) == 0 && !m.lateSecond() && !m.unknown[int(mark[1]-'0')] && links[int(mark[1]-'0')].contact != c.ID {
				m.breaks("a contact nobody knows: %s of lead %s; its link is %v", c.ID, mark, links[int(mark[1]-'0')])
			}
		} else if !m.strangers[c.Properties["email"]] && len(m.merged) == 0 {
			m.breaks("a contact nobody asked for: %s %s", c.ID, pretty(c.Properties))
		}
	}
	m.checkInbox(contacts, links)
	holder := map[string]int{}
	for lead := 1; lead <= modelLeads; lead++ {
		link := links[lead]
		if link.state == "linked" {
			if o, ok := holder[link.contact]; ok {
				m.breaks("two leads on one contact: %d and %d on %s", o, lead, link.contact)
			}
			holder[link.contact] = lead
		}
		if owners[lead] > 1 && !m.unknown[lead] && !m.merged[lead] && !m.lateSecond() {
			m.breaks("G3: %d contacts of lead %d", owners[lead], lead)
		}
		m.checkRows(lead, link)
		c, live := contacts[link.contact]
		switch {
		case link.state != "linked":
		case !live:
			if !m.archived[lead] && !m.purged[lead] && !m.merged[lead] {
				m.breaks("lead %d is linked to %s, which is not there", lead, link.contact)
			}
		case !m.merged[lead] && !m.unknown[lead] && !(m.shared && len(m.unknown) > 0): // another lead may have found a contact nobody looked for
			m.checkContact(lead, c)
		}
	}
	if st := m.sim.Stats(); st.Unchanged > 0 && !m.lateness && len(m.merged)+len(m.unknown) == 0 && !m.used("late", "hang", "cut") {
		m.breaks("%d rows were written that held the values already", st.Unchanged)
	}
}

// lateSecond: a create that HubSpot executes after our time-out, while the address changed, makes a second contact. It
// is the stated limit of G2 without an id property.
func (m *model) lateSecond() bool { return m.lateness && !m.idProp }

func (m *model) used(kinds ...string) bool {
	return slices.ContainsFunc(kinds, func(k string) bool { return m.faults[k] })
}

// unclear faults leave it open what HubSpot did, or name a row nowhere.
func (m *model) unclear() bool {
	return m.used("500", "502html", "524", "hang", "lost", "cut", "empty200", "noids", "drop", "late")
}

// contested: another lead, or a contact that people made, may have an address of the lead.
func (m *model) contested(lead int) bool {
	for _, row := range m.rows {
		if row.lead != lead || row.email == "" {
			continue
		}
		if m.strangers[row.email] {
			return true
		}
		for _, o := range m.rows {
			if o.lead != lead && o.email == row.email {
				return true
			}
		}
	}
	return m.merged[lead]
}

// checkRows holds the end of each row against what may happen to it.
func (m *model) checkRows(lead int, link modelLink) {
	var address, ok bool
	for _, row := range m.rows {
		if row.lead == lead {
			address = address || row.email != "" && (row.state == "pending" || row.took())
			ok = ok || row.took()
		}
	}
	if ok && link.state == "" {
		m.breaks("G4: rows of lead %d were taken, and it has no contact", lead)
	}
	for _, row := range m.rows {
		if row.lead != lead {
			continue
		}
		switch row.state {
		case "pending":
			if row.note != "waits for an address" || address || link.state != "" {
				m.breaks("row %d of lead %d is still pending (%q, %d attempts), link %v", row.id, lead, row.note, row.attempts, link)
			}
		case "skipped":
			m.checkSkipped(row)
		case "dead":
			if !m.mayBeDead(row) {
				m.breaks("row %d of lead %d is dead as %s (%s)", row.id, lead, row.reason, row.note)
			}
		}
		if row.attempts > 0 && !m.unclear() && !m.contested(lead) && !m.used("400", "409") && row.state != "dead" && row.reason != "by_operator" {
			m.breaks("G5: row %d of lead %d lost %d attempts", row.id, lead, row.attempts)
		}
	}
}

// took: the row's values are HubSpot's.
func (row *modelRow) took() bool {
	return row.state == "delivered" || row.state == "skipped" && row.reason == "unchanged"
}

// mayTake: the row ended otherwise, but its values, or some of them, may have been written before that.
func (row *modelRow) mayTake() bool {
	return row.state == "pending" || row.reason == "address_taken" || row.reason == "gave_up" || row.reason == "by_operator" ||
		row.reason == "contact_gone" || row.reason == "refused"
}

func (row *modelRow) bad() bool {
	v := row.fields["hs_lead_status"]
	return v == "OPEN" || v == "NOPE"
}

func (m *model) checkSkipped(row *modelRow) {
	switch row.reason {
	case "unchanged", "by_operator":
		return
	case "merged":
		if m.merged[row.lead] {
			return
		}
	case "overtaken": // each of its fields is a later row's
		later := func(field string) bool {
			return slices.ContainsFunc(m.rows, func(o *modelRow) bool {
				_, carries := o.fields[field]
				return o.lead == row.lead && o.id > row.id && (o.took() || o.mayTake() || o.reason == "overtaken") && (carries || field == "email" && o.email != "")
			})
		}
		missing := row.email != "" && !later("email")
		for f, v := range row.fields {
			theirs := m.winner != "" && slices.Contains(bothWays, f) && (m.edits[row.lead][f] != "" || len(m.strangers) > 0 || m.archived[row.lead])
			if !(f == "hs_lead_status" && (v == "OPEN" || v == "NOPE")) && !later(f) && !theirs {
				missing = true
			}
		}
		if !missing || m.merged[row.lead] {
			return
		}
	}
	m.breaks("row %d of lead %d is skipped as %s", row.id, row.lead, row.reason)
}

func (m *model) mayBeDead(row *modelRow) bool {
	lead := row.lead
	switch row.reason {
	case "invalid_property":
		return m.dead && row.bad()
	case "address_taken":
		return m.contested(lead) || m.used("409") || m.quirk == "archived_conflicts" && len(m.archived) > 0 || m.lateness || m.unknown[lead]
	case "gave_up":
		return m.unclear()
	case "refused":
		return m.used("400", "409") || m.quirk == "whole_400 unnamed"
	case "contact_gone":
		return m.archived[lead] || m.merged[lead]
	case "contact_purged":
		return m.purged[lead] || m.merged[lead]
	}
	return false
}

// checkContact holds the contact of a lead against the fold of its rows.
func (m *model) checkContact(lead int, c hubspotsim.ContactView) {
	for _, field := range append([]string{"zip", "email"}, modelFields...) {
		may, carried := m.fold(lead, field)
		have := c.Properties[field]
		if v, ok := m.edits[lead][field]; ok && have == v {
			continue
		}
		if slices.Contains(may, have) {
			continue
		}
		if m.told[fmt.Sprintf("lead-%d %s %s", lead, field, have)] > 0 {
			continue // the application knows
		}
		unset := !carried || slices.Contains(may, "") && (m.archived[lead] || m.winner != "")
		if field == "company" && strings.HasPrefix(have, "S") && (unset || m.winner != "" && m.winner != "app") {
			continue // a stranger's value that the application has no word about, in this life of the contact, or that wins
		}
		if field == "email" && slices.ContainsFunc(may, func(a string) bool {
			return slices.Contains(strings.Split(c.Properties["hs_additional_emails"], ";"), a)
		}) {
			continue // the contact has the address as a further one
		}
		if field == "email" && m.lateness && m.contested(lead) && m.named(lead, have) {
			continue // a late request gave the contact an older address, and another one has taken the newer
		}
		m.breaks("G2: lead %d has %s = %q on %s, the fold of its rows is %q (a person wrote %q)", lead, field, have, c.ID, may, m.edits[lead][field])
	}
}

// named: some row of the lead names the address.
func (m *model) named(lead int, address string) bool {
	return slices.ContainsFunc(m.rows, func(row *modelRow) bool { return row.lead == lead && row.email == address })
}

// fold is what a property may hold by the rows of a lead: the last word of the rows that were taken, or of a later row
// that may have been. carried: some row that was taken has a word about it.
func (m *model) fold(lead int, field string) (may []string, carried bool) {
	may = []string{""}
	for _, row := range m.rows {
		v, ok := row.fields[field]
		if field == "email" {
			v, ok = row.email, row.email != ""
		}
		if row.lead != lead || !ok || field == "hs_lead_status" && row.bad() {
			continue
		}
		switch {
		case row.took():
			may, carried = []string{v}, true
		case row.mayTake():
			may = append(may, v)
		}
	}
	return may, carried
}

// checkInbox: the application hears what people wrote, in the fields that flow to it, each word once, and never its
// own.
func (m *model) checkInbox(contacts map[string]hubspotsim.ContactView, links map[int]modelLink) {
	m.told = map[string]int{}
	for _, row := range m.inbox() {
		if row.Type != "contact.updated" {
			continue
		}
		var values map[string]struct{ Value, Was *string }
		if err := json.Unmarshal([]byte(row.Properties), &values); err != nil {
			m.breaks("inbox row %s: %v", row.Properties, err)
		}
		for f, v := range values {
			if m.winner == "" || !slices.Contains(bothWays, f) {
				m.breaks("inbox: %s of %s is told, and does not flow to the application", f, row.Lead)
				continue
			}
			if v.Value == nil {
				continue
			}
			lead := int(row.Lead[len(row.Lead)-1] - '0')
			word := row.Lead + " " + f + " " + *v.Value
			m.told[word]++
			if m.merged[lead] || len(m.unknown) > 0 || m.lateSecond() {
				continue
			}
			if m.told[word] > 1 && !m.archived[lead] {
				m.breaks("inbox: %s is told twice", word)
			}
			if (*v.Value)[0] != 'P' && (*v.Value)[0] != 'S' && !m.perhapsWritten(lead, f, *v.Value) {
				m.breaks("inbox: %s is the application's own word", word)
			}
		}
	}
	if m.winner != "hubspot" && m.winner != "fill_empty" || m.lateness {
		return
	}
	for lead, edits := range m.edits {
		for f, v := range edits {
			c, live := contacts[links[lead].contact]
			if !slices.Contains(bothWays, f) || m.racy[v] || m.merged[lead] || m.archived[lead] || m.unknown[lead] || links[lead].state != "linked" || !live {
				continue
			}
			if c.Properties[f] != v && m.told[fmt.Sprintf("lead-%d %s %s", lead, f, v)] == 0 {
				m.breaks("inbox: a person's %s = %s of lead %d was overwritten unseen", f, v, lead)
			}
		}
	}
}

// perhapsWritten: a row of the lead that did not end well has the value; HubSpot may have taken it all the same.
func (m *model) perhapsWritten(lead int, field, value string) bool {
	return slices.ContainsFunc(m.rows, func(row *modelRow) bool {
		v, ok := row.fields[field]
		return row.lead == lead && ok && v == value && !row.took()
	})
}
