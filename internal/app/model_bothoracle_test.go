package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspotsim"
)

// checkBoth holds the end of a history against what both sides did.
func (m *bothModel) checkBoth() {
	m.account()
	links := m.links()
	live := map[string]hubspotsim.ContactView{}
	of := map[int][]hubspotsim.ContactView{}
	for _, c := range m.sim.Contacts() {
		live[c.ID] = c
		if mark := c.Properties["zip"]; mark != "" {
			lead := int(mark[1] - '0')
			of[lead] = append(of[lead], c)
		}
	}
	told := m.checkTold()
	holder := map[string]int{}
	for lead := 1; lead <= modelLeads; lead++ {
		m.checkEnds(lead)
		erased := m.erasedAt(lead)
		link, linked := links[lead]
		c, there := live[link.contact]
		if link.state == "linked" {
			if o, ok := holder[link.contact]; ok {
				m.breaks("two leads on one contact: %d and %d on %s", o, lead, link.contact)
			}
			holder[link.contact] = lead
		}
		if n := len(of[lead]); n > 1 && !m.merged[lead] && !m.unknown[lead] && m.restores[lead] == 0 && !m.lateness {
			m.breaks("G3: %d contacts of lead %d", n, lead)
		}
		if !erased.IsZero() {
			m.checkErased(lead, erased, linked, of[lead])
			continue
		}
		m.checkSilent(lead, link, of[lead])
		if link.state == "linked" && there && !m.merged[lead] && !m.unknown[lead] && !m.lateness {
			m.checkAgree(lead, c, told)
		}
		if m.lastLife(lead) == "lead.deleted" && m.deletesDone(lead) && len(of[lead]) > 0 && m.restores[lead] == 0 && !m.merged[lead] && !m.unknown[lead] && !m.lateness {
			m.breaks("lead %d was deleted, and contact %s is there", lead, of[lead][0].ID)
		}
	}
	for _, e := range m.sim.ConsentLog() {
		if e.Status == "SUBSCRIBED" {
			m.breaks("G7: SUBSCRIBED was sent for %s", e.Address)
		}
	}
}

// settledAt is when a row left pending; zero = it did not.
func (m *bothModel) settledAt(id int64) time.Time {
	var at int64
	must(m.t, m.db.QueryRow(`SELECT coalesce(settled_at, 0) FROM lead_outbox WHERE id = ?`, id).Scan(&at))
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at)
}

// erasedAt is when an erase of the lead was done; zero = none was.
func (m *bothModel) erasedAt(lead int) time.Time {
	for _, row := range m.rows {
		if row.lead == lead && row.typ == "lead.erased" && row.state == "delivered" {
			return m.settledAt(row.id)
		}
	}
	return time.Time{}
}

// outAt is when the application's first unsubscribe of the lead was done; zero = none was.
func (m *bothModel) outAt(lead int) (first time.Time) {
	for _, row := range m.rows {
		if row.lead == lead && row.typ == "lead.unsubscribed" && row.state == "delivered" {
			if at := m.settledAt(row.id); first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	return first
}

// lastLife is the last of the rows that make or end a life.
func (m *bothModel) lastLife(lead int) (typ string) {
	for _, row := range m.rows {
		if row.lead == lead && (row.typ == "lead.deleted" || row.typ == "lead.registered" || row.typ == "lead.updated") {
			typ = row.typ
		}
	}
	return typ
}

func (m *bothModel) deletesDone(lead int) bool {
	return !slices.ContainsFunc(m.rows, func(row *modelRow) bool {
		return row.lead == lead && row.typ == "lead.deleted" && row.state != "delivered"
	})
}

// checkEnds holds how each row of a lead ended against what may happen to it.
func (m *bothModel) checkEnds(lead int) {
	var address, erase bool
	for _, row := range m.rows {
		if row.lead == lead {
			address = address || row.email != "" && row.state != "dead" && row.reason != "consent_refused"
			erase = erase || row.typ == "lead.erased"
		}
	}
	for _, row := range m.rows {
		if row.lead != lead {
			continue
		}
		how := strings.TrimSuffix(row.state+"/"+row.reason, "/")
		ok := row.state == "delivered"
		switch how {
		case "skipped/erased":
			ok = erase
		case "skipped/overtaken", "skipped/unchanged":
			ok = row.typ != "lead.unsubscribed" || how == "skipped/overtaken" && (!address || m.saidAgain(row))
		case "skipped/no_contact":
			ok = row.typ == "lead.deleted" || row.typ == "lead.erased"
		case "skipped/consent_refused":
			ok = row.typ == "lead.resubscribed"
		case "skipped/merged", "dead/shared_contact":
			ok = m.merged[lead]
		case "pending":
			ok = row.note == "waits for an address" && (!address || m.deletedAfterAddress(lead) || m.namedByWord(lead))
		case "dead/contact_gone":
			ok = m.archived[lead] || m.merged[lead]
		case "dead/contact_purged":
			ok = m.purged[lead] || m.merged[lead]
		case "dead/address_taken":
			ok = m.took[lead] || m.moved[lead] || m.merged[lead] || m.archived[lead] || m.lateness || m.unknown[lead]
		case "dead/gave_up":
			ok = m.unclear()
		}
		if row.typ == "lead.resubscribed" && (row.state == "delivered" || row.state == "dead") {
			ok = false // nothing allows it
		}
		if !ok {
			m.breaks("row %d (%s) of lead %d is %s (%q, %d attempts)", row.id, row.typ, lead, how, row.note, row.attempts)
		}
	}
}

// saidAgain: a later unsubscribe says the same and was done. A resubscribe that nothing allows would not do.
func (m *bothModel) saidAgain(row *modelRow) bool {
	return slices.ContainsFunc(m.rows, func(o *modelRow) bool {
		return o.lead == row.lead && o.id > row.id && o.typ == "lead.unsubscribed" && (o.state == "delivered" || o.state == "pending")
	})
}

// deletedAfterAddress: the last delete stands behind every address of the lead, so that a later row has none.
func (m *bothModel) deletedAfterAddress(lead int) bool {
	after := true
	for _, row := range m.rows {
		if row.lead == lead {
			after = row.typ == "lead.deleted" || after && row.email == ""
		}
	}
	return after
}

// namedByWord is a limit that is known: an unsubscribe overtakes the delete before it and brings an address, the rows
// before the delete make a contact of it, and the delete takes contact and address: what stands behind the delete
// without an address waits for another one.
func (m *bothModel) namedByWord(lead int) bool {
	before, deleted, word := false, false, false
	for _, row := range m.rows {
		switch {
		case row.lead != lead:
		case row.typ == "lead.deleted":
			deleted, word = true, false
		case row.typ == "lead.unsubscribed" && row.email != "":
			word = true
		case row.email != "" && row.reason != "consent_refused":
			if deleted {
				return false
			}
			before = true
		case !deleted:
			before = true
		}
	}
	return before && deleted && word
}

// checkErased: the tables hold no word of the person, nothing was said about them to HubSpot once it was done, and no
// contact is left.
func (m *bothModel) checkErased(lead int, at time.Time, linked bool, contacts []hubspotsim.ContactView) {
	words := []string{fmt.Sprintf("lead-%d", lead), fmt.Sprintf("lead%d-", lead), fmt.Sprintf("v%d-", lead), fmt.Sprintf("p%d-", lead)}
	holds := func(text string) string {
		for _, w := range words {
			if strings.Contains(text, w) {
				return w
			}
		}
		return ""
	}
	if linked {
		m.breaks("G9: lead %d was erased and has a link", lead)
	}
	if len(contacts) > 0 && m.restores[lead] == 0 && !m.merged[lead] {
		m.breaks("G9: lead %d was erased and has contact %s", lead, contacts[0].ID)
	}
	if m.merged[lead] {
		return // its values are the other person's too
	}
	for _, table := range []string{"lead_outbox", "lead_inbox", "leadsync_links", "leadsync_strangers", "leadsync_streams", "leadsync_portals"} {
		rows, err := m.db.Query(`SELECT * FROM ` + table)
		must(m.t, err)
		names, err := rows.Columns()
		must(m.t, err)
		for rows.Next() {
			values, into := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			must(m.t, rows.Scan(into...))
			for i, v := range values {
				text := fmt.Sprint(v)
				if b, ok := v.([]byte); ok {
					text = string(b)
				}
				if w := holds(text); w != "" {
					m.breaks("G9: %s.%s holds %q of erased lead %d: %v", table, names[i], w, lead, values)
				}
			}
		}
		must(m.t, rows.Err())
		must(m.t, rows.Close())
	}
	for _, s := range m.said {
		if strings.Contains(s.path, "/batch/read") {
			continue // a later erase of the same person looks once more
		}
		if w := holds(s.path + s.body); w != "" && s.at.After(at) {
			m.breaks("G9: %s of erased lead %d is said in %s, %s after it was done", w, lead, s.path, s.at.Sub(at))
		}
	}
}

// checkSilent: from the moment an opt-out was known to be done, nobody makes the person mailable but people, and at the
// end they are not.
func (m *bothModel) checkSilent(lead int, link modelLink, contacts []hubspotsim.ContactView) {
	out := m.outAt(lead)
	if there := m.outThere[lead]; !there.IsZero() && (out.IsZero() || there.Before(out)) && !m.merged[lead] && !m.archived[lead] && !m.purged[lead] && !m.moved[lead] {
		out = there
	}
	if out.IsZero() {
		return
	}
	for _, e := range m.sim.ConsentLog() {
		if e.Kind == hubspotsim.ConsentMailable && strings.HasPrefix(e.Address, fmt.Sprintf("lead%d-", lead)) && !m.strangers[e.Address] &&
			!(m.took[lead] && link.contact != e.ContactID) && time.UnixMilli(e.At).After(out) {
			m.breaks("G7: lead %d is out since %s, and mailable at %s at %s", lead, out.Format("15:04:05.000"), e.Address, time.UnixMilli(e.At).Format("15:04:05.000"))
		}
	}
	for _, c := range contacts {
		if a := c.Properties["email"]; a != "" && !m.sim.OptedOut(a) && (link.contact == c.ID || !m.merged[lead] && m.restores[lead] == 0) {
			m.breaks("G7: lead %d is out, and its contact %s can be mailed at %s at the end (link %v)", lead, c.ID, a, link)
		}
	}
}

// inboxWord is one field of an inbox row.
type inboxWord struct {
	lead         int
	field, value string
	at           time.Time
}

// checkTold: the application hears what people wrote, each word once, and never its own. It returns the words in their
// order.
func (m *bothModel) checkTold() (words []inboxWord) {
	rows, err := m.db.Query(`SELECT coalesce(lead_id, ''), change_type, coalesce(properties, ''), pulled_at, coalesce(above_id, 0) FROM lead_inbox ORDER BY id`)
	must(m.t, err)
	defer rows.Close()
	kinds, times := map[string]int{}, map[string]int64{}
	for rows.Next() {
		var id, kind, properties string
		var at, above int64
		must(m.t, rows.Scan(&id, &kind, &properties, &at, &above))
		if !strings.HasPrefix(id, "lead-") {
			continue // wiped
		}
		lead := int(id[len(id)-1] - '0')
		kinds[fmt.Sprint(kind, " ", lead)]++
		if kind != "contact.updated" {
			continue
		}
		var values map[string]struct{ Value, Was *string }
		if err := json.Unmarshal([]byte(properties), &values); err != nil {
			m.breaks("inbox row %s: %v", properties, err)
		}
		for f, v := range values {
			w := inboxWord{lead, f, "", time.UnixMilli(at)}
			if v.Value != nil {
				w.value = *v.Value
			}
			words = append(words, w)
			if twoWay[f] == "" {
				m.breaks("inbox: %s of lead %d is told, and does not flow to the application", f, lead)
			}
			if m.merged[lead] || m.unknown[lead] || m.lateness || w.value == "" || m.toggled[fmt.Sprint(lead, f, w.value)] {
				continue
			}
			last, told := times[fmt.Sprint(lead, f, w.value)]
			if told && !m.between(lead, f, last, above) && !m.archived[lead] && !m.deletes(lead) {
				m.breaks("G8: %s = %s of lead %d is told twice", f, w.value, lead)
			}
			times[fmt.Sprint(lead, f, w.value)] = above
			if w.value[0] != 'p' && !m.fromOlderLife(lead) {
				m.breaks("G8: %s = %s is lead %d's own word, and is told", f, w.value, lead)
			}
		}
	}
	must(m.t, rows.Err())
	for lead := 1; lead <= modelLeads; lead++ {
		if m.merged[lead] || m.unknown[lead] || m.lateness {
			continue
		}
		for kind, most := range map[string]int{"contact.unsubscribed": m.optouts[lead], "contact.deleted": m.archives[lead] + boolInt(m.purged[lead]),
			"contact.restored": m.restores[lead], "contact.merged": 0, "contact.resubscribed": 0, "contact.created": 0} {
			if n := kinds[fmt.Sprint(kind, " ", lead)]; n > most {
				m.breaks("G8: %s of lead %d is told %d times, people did it %d times", kind, lead, n, most)
			}
		}
	}
	return words
}

// between: an event of the application that carries the field came between two tellings, so that the second one says
// what stands.
func (m *bothModel) between(lead int, field string, after, until int64) bool {
	return slices.ContainsFunc(m.rows, func(row *modelRow) bool {
		_, carries := row.fields[field]
		return row.lead == lead && carries && row.id > after && row.id <= until
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (m *bothModel) deletes(lead int) bool {
	return slices.ContainsFunc(m.rows, func(row *modelRow) bool { return row.lead == lead && row.typ == "lead.deleted" })
}

// fromOlderLife: people may have brought a contact of an earlier life back, with the application's values of then.
func (m *bothModel) fromOlderLife(lead int) bool { return m.restores[lead] > 0 }

// checkAgree: the application that has applied its inbox by the README's rule has the values of its contact.
func (m *bothModel) checkAgree(lead int, c hubspotsim.ContactView, words []inboxWord) {
	if m.restores[lead] > 0 {
		return
	}
	for field := range twoWay {
		lost := false
		for _, row := range m.rows {
			_, carries := row.fields[field]
			switch {
			case row.lead != lead:
			case row.typ == "lead.deleted":
				lost = lost || row.state != "delivered" && row.reason != "no_contact"
			case carries:
				lost = lost || row.state != "delivered" && row.reason != "unchanged" && row.reason != "overtaken"
			}
		}
		value := m.app.values[fmt.Sprint("lead-", lead, " ", field)]
		if have := c.Properties[field]; have != value && !lost {
			m.breaks("lead %d: the application has %s = %q, HubSpot %q on %s (a person wrote %q; inbox %v)", lead, field, value, have, c.ID, m.edits[lead][field], words)
		}
	}
}
