package hubspotsim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// historyDepth is how many values of a property are remembered, the present one included. HubSpot's own depth is
// unknown; five keeps a million contacts in memory.
const historyDepth = 5

// source is who wrote a value, as propertiesWithHistory shows it.
type source struct{ kind, id string }

// version is one value a property had; at is in unix milliseconds.
type version struct {
	value string
	at    int64
	by    *source
}

// field is one property of one contact: its present value and the ones before, newest first.
type field struct {
	def *property
	version
	older []version
}

// contact is one record. Its values are reached through value and set; system properties are computed, not stored.
type contact struct {
	id         int64
	createdAt  int64 // unix ms
	updatedAt  int64
	touchedAt  int64  // the last change that search shows, sooner or later
	recent     []mark // changes before it that search may still be showing, oldest first
	archivedAt int64  // 0 = live
	mailed     bool   // the last that was noted of it
	mailedTo   string
	fields     []field
	extra      []string // additional addresses
	merged     []int64  // ids that this record swallowed
}

func (c *contact) field(def *property) *field {
	for i := range c.fields {
		if c.fields[i].def == def {
			return &c.fields[i]
		}
	}
	return nil
}

// value is the stored value of def; ok is false when it was never set.
func (c *contact) value(def *property) (v string, ok bool) {
	if f := c.field(def); f != nil {
		return f.value, true
	}
	return "", false
}

// set stores a value and says whether it differs from the one before. A never-set property stays so when it is cleared.
// What search may still be showing is remembered too, however deep.
func (s *Sim) set(c *contact, def *property, v string, at int64, by *source) bool {
	f := c.field(def)
	switch {
	case f == nil && v == "":
		return false
	case f == nil:
		c.fields = append(c.fields, field{def: def, version: version{v, at, by}})
		return true
	case f.value == v:
		return false
	}
	keep := f.older[:min(len(f.older), historyDepth-2)]
	for shownFrom := at - s.maxLag(); len(keep) < len(f.older) && (len(keep) == 0 || keep[len(keep)-1].at > shownFrom); {
		keep = f.older[:len(keep)+1]
	}
	f.older = append([]version{f.version}, keep...)
	f.version = version{v, at, by}
	return true
}

// valueAt is the value a property had at a time, for the search index, which lags.
func (f *field) valueAt(at int64) (string, bool) {
	if f.at <= at {
		return f.value, true
	}
	for _, v := range f.older {
		if v.at <= at {
			return v.value, true
		}
	}
	return "", false
}

func (c *contact) idText() string { return strconv.FormatInt(c.id, 10) }

// primary is the contact's main address, or "".
func (p *portal) primary(c *contact) string {
	v, _ := c.value(p.email)
	return v
}

func joinIDs(ids []int64) string {
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(text, ";")
}

// portal is the account's data: contacts, their indexes, property definitions and rules. Sim.mu guards it.
type portal struct {
	id        int64 // HubSpot's portalId and hub_id
	nextID    int64
	byID      map[int64]*contact // live and archived
	ordered   []*contact         // by rising id; a contact that was merged or purged has id 0 here
	byEmail   map[string]*contact
	archived  map[string]*contact            // primary address of archived contacts
	unique    map[*property]map[string]int64 // live contacts by value of a unique property
	forward   map[int64]int64                // merged-away id -> the record that swallowed it
	blocked   map[string]bool                // addresses of a privacy deletion
	live      int
	revision  uint64 // counts what changes a search
	changedAt int64  // when it last did, unix ms
	cache     hitsCache
	changes   []Change

	brands        []int64
	subscriptions []*Subscription
	subscribers   map[string]*subscriber // by address
	consents      []ConsentEntry         // but those about contacts, which are
	mailings      []mailing

	props     map[string]*property
	propOrder []*property
	rules     []Rule
	email     *property
	first     *property
	last      *property
	stage     *property
	system    []*property // computed ones that a create shows
}

func newPortal(id, firstID, now int64) portal {
	p := portal{
		id:          id,
		nextID:      firstID,
		byID:        map[int64]*contact{},
		byEmail:     map[string]*contact{},
		archived:    map[string]*contact{},
		unique:      map[*property]map[string]int64{},
		forward:     map[int64]int64{},
		subscribers: map[string]*subscriber{},
		blocked:     map[string]bool{},
		props:       map[string]*property{},
	}
	for _, def := range defaultProperties() {
		def.createdAt = now
		p.addProperty(def)
	}
	p.email, p.first, p.last, p.stage = p.props["email"], p.props["firstname"], p.props["lastname"], p.props["lifecyclestage"]
	return p
}

// add makes an empty contact.
func (p *portal) add(now int64) *contact {
	c := &contact{id: p.nextID, createdAt: now, updatedAt: now, touchedAt: now}
	p.nextID++
	p.insert(c)
	return c
}

func (p *portal) insert(c *contact) {
	p.byID[c.id] = c
	p.ordered = append(p.ordered, c)
	p.live++
	p.changed(c.touchedAt)
}

// forget takes a contact out of every index but the list, where an empty place stays.
func (p *portal) forget(c *contact, now int64) {
	p.silence(c, now)
	p.unindex(c)
	p.revision++
	delete(p.byID, c.id)
	if i, ok := p.position(c.id); ok {
		p.ordered[i] = &contact{id: c.id, archivedAt: -1}
	}
}

// position finds an id in ordered, or the place where it would be.
func (p *portal) position(id int64) (int, bool) {
	return slices.BinarySearchFunc(p.ordered, id, func(c *contact, id int64) int { return int(c.id - id) })
}

// unindex frees the addresses and unique values of a contact.
func (p *portal) unindex(c *contact) {
	if c.archivedAt == 0 {
		p.live--
	}
	address := p.primary(c)
	for _, a := range append([]string{address}, c.extra...) {
		if p.byEmail[a] == c {
			delete(p.byEmail, a)
		}
	}
	if p.archived[address] == c {
		delete(p.archived, address)
	}
	for def, index := range p.unique {
		if v, ok := c.value(def); ok && index[v] == c.id {
			delete(index, v)
		}
	}
}

// binDays is how long an archived contact can be restored, after which it leaves the list of archived ones: contacts
// description 2026-03, https://github.com/HubSpot/HubSpot-public-api-spec-collection, read 2026-11-22.
const binDays = 90

// binned says whether a contact is in the recycle bin.
func (c *contact) binned(now int64) bool {
	return c.archivedAt > 0 && now-c.archivedAt < binDays*24*time.Hour.Milliseconds()
}

// archive puts a contact into the recycle bin.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
func (p *portal) archive(c *contact, now int64) {
	p.unindex(c)
	c.archivedAt, c.updatedAt, c.recent = now, now, nil
	p.changed(now)
	p.mail(c, now)
	if address := p.primary(c); address != "" {
		p.archived[address] = c
	}
}

// resolve follows merges: GET by an old id gives the merged record with its new id.
// https://developers.hubspot.com/changelog/updated-merge-functionality-for-contacts-and-companies
func (p *portal) resolve(id int64) *contact {
	for {
		if c := p.byID[id]; c != nil {
			return c
		}
		next, ok := p.forward[id]
		if !ok {
			return nil
		}
		id = next
	}
}

// liveID is the live contact of an id as a client writes it, without following merges.
func (p *portal) liveID(text string) *contact {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	if c := p.byID[id]; c != nil && c.archivedAt == 0 {
		return c
	}
	return nil
}

// mergedAway says whether an id was swallowed by another record.
func (p *portal) mergedAway(text string) bool {
	id, err := strconv.ParseInt(text, 10, 64)
	_, gone := p.forward[id]
	return err == nil && gone
}
