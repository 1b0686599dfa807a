package replay

// optOutProperty is "true" when the contact's present address is opted out of all e-mail. As an Edit it is a person who
// opts out in HubSpot. https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide (read
// 2026-11-22)
const optOutProperty = "hs_email_optout"

// optOut takes the word of an unsubscribe. Nothing undoes it: not a change of address, not a new life after a delete.
func (p *person) optOut(e *event, played truth) {
	if e.State == "skipped" && e.Reason == "by_operator" {
		played = no
	}
	p.out = max(p.out, played)
}

// leave ends a life of the lead. What it had says nothing of the contact that a later row makes.
func (w *world) leave(p *person, e *event, played truth) {
	switch played {
	case no:
	case maybe:
		p.played = min(p.played, maybe)
	case yes:
		p.played, p.addresses, p.rows, p.fields, p.said = no, nil, nil, map[string][]string{}, map[string][]saying{}
		p.gone = p.gone || e.kind == erased
	}
}

// mayBeErased says whether an erase explains that a row was skipped: of its own lead, or of one that had its address
// while its own lead has no contact.
func (w *world) mayBeErased(e *event, p *person) bool {
	if p == nil {
		return false
	}
	if p.erase {
		return true
	}
	for lead := range w.users[e.address] {
		if w.leads[lead].erase && (len(p.addresses) == 0 || p.played == no) {
			return true
		}
	}
	return false
}

// compareConsent holds the opt-out that HubSpot shows against the words of the lead. An opt-out belongs to the address,
// so that of an earlier owner counts too.
func (w *world) compareConsent(p *person, c *Contact) {
	if w.properties[optOutProperty] == nil {
		return
	}
	out := c.Properties[optOutProperty] == "true"
	said := p.out
	for lead := range w.users[fold(c.Properties["email"])] {
		if w.leads[lead].out != no {
			said = max(said, maybe)
		}
	}
	switch {
	case !out && p.out == yes:
		w.differ(Difference{Lead: p.id, Contact: c.ID, Field: optOutProperty, Text: "the person is out, and HubSpot may send e-mail"})
	case out && said == no:
		w.differ(Difference{Lead: p.id, Contact: c.ID, Field: optOutProperty, Text: "opted out, and nobody said so"})
	}
}
