package pull

import (
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// Contact properties that pull reads besides the mapped ones. hs_email_optout is true when the present address is opted out of all
// e-mail; hs_merged_object_ids are the records that were merged into this one, separated by ';'; lastmodifieddate is the time to
// search contacts by (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm and
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22).
const (
	optedOut  = "hs_email_optout"
	mergedIDs = "hs_merged_object_ids"
	modified  = "lastmodifieddate"
	objectID  = "hs_object_id"
)

// view is one contact as an answer shows it.
type view struct {
	id       lead.ContactID
	email    string
	merged   []lead.ContactID
	optedOut bool
	values   map[string]string // canonical, what was shown
	at       time.Time         // when it last changed, by HubSpot's clock
	holder   lead.ID           // a lead that has it, or had one that was merged into it
}

func newView(c *hubspot.Contact, t *mapping.Table) *view {
	v := &view{id: c.ID, values: make(map[string]string, len(c.Properties)), at: c.UpdatedAt}
	for p, s := range c.Properties {
		text := ""
		if s != nil {
			text = *s
		}
		v.values[p] = t.Canon(p, text)
	}
	v.email, v.optedOut = v.values[ledger.AddressField], v.values[optedOut] == "true"
	for id := range strings.SplitSeq(v.values[mergedIDs], ";") {
		if id = strings.TrimSpace(id); id != "" {
			v.merged = append(v.merged, lead.ContactID(id))
		}
	}
	return v
}

// ids are the contact's own id and those that were merged into it.
func (v *view) ids() []lead.ContactID { return append([]lead.ContactID{v.id}, v.merged...) }

// asked are the properties a request asked for.
type asked map[string]bool

// told reports whether the application hears of a property.
func told(t *mapping.Table, property string) bool {
	d, _ := t.Rule(property)
	return d == mapping.Both || d == mapping.Pull
}

// differs reports whether the contact may hold something else than the link knows: a value that moved, or one that the search was not
// asked for. A property that was asked for and is not shown counts as unset.
func (v *view) differs(l *ledger.Link, t *mapping.Table, a asked) bool {
	if l.State != ledger.Linked || l.ContactID != v.id || v.optedOut && l.Consent != consentOut {
		return true
	}
	for p, f := range l.Fields {
		if f.Untold && told(t, p) {
			return true
		}
		if now, shown := v.values[p]; shown && now != f.Seen || !shown && (f.Seen != "" || !a[p]) {
			return true
		}
	}
	for p := range a {
		if _, known := l.Fields[p]; !known && v.values[p] != "" && (told(t, p) || p == ledger.AddressField) {
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

// searchRoom is what the names of the properties may take of a search request. HubSpot allows 3,000 characters for all of it
// (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, read 2026-11-22); the rest of ours stays below 600.
const searchRoom = 2400

// searchFor is the list of properties that a search is asked for: as many as fit, the most needed first. What does not fit is read by id.
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
