package pull

import (
	"slices"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// Contact properties that pull reads besides the mapped ones and those of package contact. lastmodifieddate is the time
// to search contacts by (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm and
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22).
const (
	optedOut  = contact.OptedOut
	mergedIDs = contact.MergedIDs
	modified  = "lastmodifieddate"
	objectID  = "hs_object_id"
)

// view is one contact as an answer shows it.
type view struct {
	*contact.View
	holder lead.ID // a lead that has it, or had one that was merged into it
}

func newView(c *hubspot.Contact, t *mapping.Table) *view { return &view{View: contact.Of(c, t)} }

// ids are the contact's own id and those that were merged into it.
func (v *view) ids() []lead.ContactID { return append([]lead.ContactID{v.ID}, v.Merged...) }

// asked are the properties a request asked for.
type asked map[string]bool

// told reports whether the application hears of a property.
func told(t *mapping.Table, property string) bool {
	d, _ := t.Rule(property)
	return d == mapping.Both || d == mapping.Pull
}

// differs reports whether the contact may hold something else than the link knows: a value that moved, or one that the
// search was not asked for. A property that was asked for and is not shown counts as unset.
func (v *view) differs(l *ledger.Link, t *mapping.Table, a asked) bool {
	if l.State != ledger.Linked || l.ContactID != v.ID || v.OptedOut && l.Consent != consentOut {
		return true
	}
	for p, f := range l.Fields {
		if f.Untold && told(t, p) {
			return true
		}
		if now, shown := v.Values[p]; shown && now != f.Seen || !shown && (f.Seen != "" || !a[p]) {
			return true
		}
	}
	for p := range a {
		if _, known := l.Fields[p]; !known && v.Values[p] != "" && (told(t, p) || p == ledger.AddressField) {
			return true
		}
	}
	return slices.ContainsFunc(t.Properties(), func(p string) bool {
		_, known := l.Fields[p]
		return !known && !a[p] && told(t, p)
	})
}

// consentOut is the word of Link.Consent for a person who must get no e-mail.
const consentOut = "out"

// searchRoom is what the names of the properties may take of a search request. HubSpot allows 3,000 characters for all
// of it (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, read 2026-11-22); the rest of
// ours stays below 600.
const searchRoom = 2400

// searchFor is the list of properties that a search is asked for: as many as fit, the most needed first. What does not
// fit is read by id.
func (p *Puller) searchFor(t *mapping.Table) []string {
	names := []string{ledger.AddressField, optedOut, mergedIDs, modified}
	names = append(names, t.Properties()...)
	p.mu.Lock()
	for name := range p.learned {
		names = append(names, name)
	}
	p.mu.Unlock()
	slices.Sort(names[4:])
	var list []string
	room := searchRoom
	for _, name := range names {
		if cost := len(name) + len(`"",`); !slices.Contains(list, name) && cost <= room {
			list, room = append(list, name), room-cost
		}
	}
	return list
}

// maxLearned bounds how many properties are learned.
const maxLearned = 200

// learn takes properties of a ledger that the search did not show into the next search.
func (p *Puller) learn(l *ledger.Link, a asked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range l.Fields {
		if !a[name] && len(p.learned) < maxLearned {
			p.learned[name] = true
		}
	}
}

func set(names []string) asked {
	a := make(asked, len(names))
	for _, n := range names {
		a[n] = true
	}
	return a
}
