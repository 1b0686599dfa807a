package app

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/replay"
)

// contacts are the ids of the live contacts by address, but for the one that no lead has.
func (s *scene) contacts() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, c := range s.sim.Contacts() {
		if c.Properties["email"] != strangerAddress {
			out[c.Properties["email"]] = c.ID
		}
	}
	return out
}

// checkPulled: what people did is told once and in full.
func (s *scene) checkPulled() {
	s.t.Helper()
	rows, err := s.db.Query(`SELECT change_type, coalesce(lead_id, ''), coalesce(email, ''), properties FROM lead_inbox
  WHERE change_type IN ('contact.created', 'contact.updated') ORDER BY change_type`)
	must(s.t, err)
	defer rows.Close()
	var got []string
	for rows.Next() {
		var kind, lead, email, properties string
		must(s.t, rows.Scan(&kind, &lead, &email, &properties))
		if kind == "contact.created" {
			properties = ""
		}
		got = append(got, strings.Join([]string{kind, lead, properties}, " "))
	}
	must(s.t, rows.Err())
	want := []string{"contact.created  ", `contact.updated old1 {"job":{"value":"Analyst","was":null}}`}
	if !slices.Equal(got, want) {
		s.t.Errorf("G8: told %q, want %q", got, want)
	}
}

// leave is what a cell leaves room for. The zero value is none.
type leave struct {
	attempts bool // rows may lose attempts
	dead     bool // HubSpot refuses the rows in words that mean the rows themselves, so they may be dead, with its correlation id
}

// check holds the whole state against the plain replay, and what the replay does not look at against the contract:
// which rows are dead and of what, attempts, links, the inbox, and how HubSpot was treated.
func (s *scene) check(l leave) {
	s.t.Helper()
	live := s.contacts()
	for id, now := range s.stands {
		if address, ok := strings.CutPrefix(now, "of "); ok {
			s.stands[id] = live[address]
		}
	}
	rows := s.outbox()
	if len(rows) != s.rows {
		s.t.Errorf("G1: %d rows in the table, %d inserted", len(rows), s.rows)
	}
	var contacts []replay.Contact
	for _, c := range s.sim.Contacts() {
		if who, _, _ := strings.Cut(c.Properties["email"], "@"); l.dead && slices.Contains(leaving, who) {
			continue // its delete or erase is dead
		}
		if isQuiet(c.Properties["email"]) {
			continue
		}
		kept := map[string]string{}
		if c.Properties["email"] == strangerAddress {
			continue // no lead's
		}
		for _, p := range sceneProperties {
			if v, ok := c.Properties[p.Name]; ok {
				kept[p.Name] = v
			}
		}
		if l.dead && (slices.Contains(touched, c.Properties["email"]) || c.Properties["email"] == "taken@example.com" && c.Properties["firstname"] == "") {
			continue // the row that would have found out is dead
		}
		contacts = append(contacts, replay.Contact{ID: c.ID, Properties: kept})
	}
	told := s.staying(rows)
	rows, left := told, len(rows)-len(told)
	if want := 6 + 5; left != want { // two registrations, an update, the delete, the erase and the row that comes too late; five of those who unsubscribe
		s.t.Errorf("%d rows of leads that leave or unsubscribe, want %d", left, want)
	}
	s.checkQuiet(l)
	if l.dead {
		told = slices.DeleteFunc(slices.Clone(rows), func(r replay.Row) bool { return r.LeadID != nil && slices.Contains(touched, *r.LeadID+"@example.com") })
	}
	for _, d := range replay.Check(told, nil, contacts, sceneProperties) {
		s.t.Errorf("%s (want %q, got %q)", d, d.Want, d.Got)
	}
	words := map[string]int{}
	for _, r := range rows {
		word := r.State
		if r.Reason != "" {
			word += "/" + r.Reason
		}
		words[word]++
	}
	if want := map[string]int{"delivered": s.rows - left - 2, "skipped/duplicate": 1, "dead/missing_lead_id": 1}; !l.dead && !maps.Equal(words, want) {
		s.t.Errorf("rows %v, want %v", words, want)
	}
	var tried, pinned int
	// HubSpot answers an update of a contact that was merged away without naming it: an attempt of that row's own.
	must(s.t, s.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE attempts > 0 AND lead_id <> 'old2' OR attempts > 1`).Scan(&tried))
	if tried > 0 && !l.attempts {
		s.t.Errorf("G5: %d rows lost an attempt", tried)
	}
	must(s.t, s.db.QueryRow(`SELECT count(*) FROM leadsync_portals WHERE hub_id <> 0`).Scan(&pinned))
	if pinned != 1 {
		s.t.Errorf("%d portals are pinned, want 1", pinned)
	}
	s.checkLeaving(live, l)
	s.checkLinks(live, l)
	want := "contact.deleted 1, contact.merged 1"
	if s.pulls {
		want = "contact.created 1, contact.deleted 1, contact.merged 1, contact.updated 1"
		s.checkPulled()
	}
	if got := s.inbox(); got != want && !l.dead {
		s.t.Errorf("inbox: %s, want %s", got, want)
	}
	st := s.sim.Stats()
	if st.Untraced+st.Undated+st.Nameless+st.SecretsInURL > 0 {
		s.t.Errorf("%d writes without trace ids, %d undated paths, %d without a name, %d secrets in addresses", st.Untraced, st.Undated, st.Nameless, st.SecretsInURL)
	}
}

// staying are the rows of leads that are neither deleted nor erased.
func (s *scene) staying(rows []replay.Row) []replay.Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r replay.Row) bool {
		gone := r.LeadID != nil && (slices.Contains(leaving, *r.LeadID) || strings.HasPrefix(*r.LeadID, "erased:"))
		return gone || r.LeadID == nil && r.Email == nil || r.LeadID != nil && isQuiet(*r.LeadID) // wiped, or looked at by checkQuiet
	})
}

// checkQuiet: whoever unsubscribed is out at every address, no contact was made of them, and none of them could be
// mailed from then on.
func (s *scene) checkQuiet(l leave) {
	s.t.Helper()
	for _, r := range s.outbox() {
		if r.LeadID != nil && isQuiet(*r.LeadID) && r.State != "delivered" && !l.dead {
			s.t.Errorf("row %d (%s of %s) is %s %s, %s", r.ID, *r.EventType, *r.LeadID, r.State, r.Reason, r.Note)
		}
	}
	if l.dead {
		return
	}
	for _, a := range outOf {
		if s.keyed {
			for id := int64(11); id <= 12; id++ {
				if got := s.sim.Status(a, id); got != "UNSUBSCRIBED" {
					s.t.Errorf("G7: %s is %s of %d", a, got, id)
				}
			}
		} else if !s.sim.OptedOut(a) {
			s.t.Errorf("G7: %s is not opted out", a)
		}
	}
	quiet := 0
	for _, c := range s.sim.Contacts() {
		if isQuiet(c.Properties["email"]) {
			quiet++
		}
	}
	if quiet != 1 {
		s.t.Errorf("%d contacts of people who unsubscribed, want 1", quiet)
	}
	for _, e := range s.sim.ConsentLog() {
		if e.Kind == hubspotsim.ConsentMailable && e.Address == "quiet0@example.com" && !s.keyed {
			s.t.Error("G7: the new address of somebody who is out could be mailed")
		}
	}
}

// checkLeaving: who was deleted or erased is gone, and what is left here says so.
func (s *scene) checkLeaving(live map[string]string, l leave) {
	s.t.Helper()
	if l.dead {
		return
	}
	for _, who := range leaving {
		if id := live[who+"@example.com"]; id != "" {
			s.t.Errorf("contact %s of the lead that was %s is live", id, who)
		}
	}
	ends := map[string]int{}
	for _, r := range s.outbox() {
		if r.LeadID != nil && *r.LeadID == "deleted" || r.EventType != nil && *r.EventType == "lead.erased" || r.Reason == "erased" {
			ends[*r.EventType+" "+r.State+" "+r.Reason]++
		}
	}
	want := map[string]int{"lead.registered delivered ": 1, "lead.updated delivered ": 1, "lead.deleted delivered ": 1, "lead.erased delivered ": 1, "lead.updated skipped erased": 1}
	if l.attempts { // what cannot be delivered before the delete ends as overtaken
		return
	}
	if !maps.Equal(ends, want) {
		s.t.Errorf("rows of those who left: %v, want %v", ends, want)
	}
	var named int
	must(s.t, s.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE lead_id = 'erased' OR email = 'erased@example.com'`).Scan(&named))
	if named > 0 {
		s.t.Errorf("%d rows name the erased lead", named)
	}
}

// checkLinks: each contact has one lead, each lead its contact.
func (s *scene) checkLinks(live map[string]string, l leave) {
	s.t.Helper()
	rows, err := s.db.Query(`SELECT lead_id, state, contact_id, address FROM leadsync_links`)
	must(s.t, err)
	defer rows.Close()
	links := 0
	for rows.Next() {
		var lead, state, contact, address string
		must(s.t, rows.Scan(&lead, &state, &contact, &address))
		if state == "linked" {
			links++
			if live[address] != contact && !(l.dead && slices.Contains(touched, address)) {
				s.t.Errorf("lead %s is linked to contact %s under an address whose contact is %q", lead, contact, live[address])
			}
		}
	}
	must(s.t, rows.Err())
	if links != len(live) && !l.dead {
		s.t.Errorf("%d links, %d contacts", links, len(live))
	}
}

// inbox is what the application was told, by kind.
func (s *scene) inbox() string {
	s.t.Helper()
	rows, err := s.db.Query(`SELECT change_type, count(*) FROM lead_inbox GROUP BY change_type ORDER BY change_type`)
	must(s.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind string
		var n int
		must(s.t, rows.Scan(&kind, &n))
		out = append(out, fmt.Sprint(kind, " ", n))
	}
	must(s.t, rows.Err())
	return strings.Join(out, ", ")
}

// outbox are all rows, with the contacts that stand for those that people merged or archived.
func (s *scene) outbox() []replay.Row {
	s.t.Helper()
	q, err := s.db.Query(`SELECT id, event_id, lead_id, event_type, email, properties, state, coalesce(reason, ''), coalesce(note, ''),
  coalesce(contact_id, ''), coalesce(correlation_id, '') FROM lead_outbox ORDER BY id`)
	must(s.t, err)
	defer q.Close()
	var out []replay.Row
	for q.Next() {
		var r replay.Row
		var text [5]sql.NullString
		must(s.t, q.Scan(&r.ID, &text[0], &text[1], &text[2], &text[3], &text[4], &r.State, &r.Reason, &r.Note, &r.ContactID, &r.CorrelationID))
		for i, p := range []**string{&r.EventID, &r.LeadID, &r.EventType, &r.Email, &r.Properties} {
			if text[i].Valid {
				*p = &text[i].String
			}
		}
		if now, ok := s.stands[r.ContactID]; ok {
			r.ContactID = now
		}
		out = append(out, r)
	}
	must(s.t, q.Err())
	return out
}

// sceneProperties are the definitions of what the events carry.
var sceneProperties = func() (all []replay.Property) {
	for _, name := range []string{"email", "firstname", "lastname", "company", "city"} {
		all = append(all, replay.Property{Name: name, Type: "string", FieldType: "text"})
	}
	return all
}()
