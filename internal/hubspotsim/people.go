package hubspotsim

import (
	"errors"
	"fmt"
)

// What people do in HubSpot's screens: no scopes, rules, limits or faults stand in their way. Each of it is in Changes.

// portalUser is who history names for it.
var portalUser = &source{"CRM_UI", "userId:12345"}

var (
	errNotInBin = errors.New("no such archived contact, or archived for more than 90 days")
	errTaken    = errors.New("another contact holds its address or a unique value")
	errBlocked  = errors.New("the address is on the blocklist of privacy deletions")
)

// Create makes a contact and gives its id. Values are checked and stored in HubSpot's form. An address on the blocklist
// is refused here, while the API takes it
// (https://knowledge.hubspot.com/privacy-and-consent/how-do-i-perform-a-gdpr-delete-in-hubspot).
func (s *Sim) Create(properties map[string]string) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.personCreates(properties, s.now().UnixMilli())
	if err != nil {
		return "", fmt.Errorf("create contact: %w", err)
	}
	return c.idText(), nil
}

func (s *Sim) personCreates(properties map[string]string, now int64) (*contact, error) {
	if s.blocked[normalAddress(properties["email"])] {
		return nil, errBlocked
	}
	sets, err := s.personSets(properties, nil)
	if err != nil {
		return nil, err
	}
	c := s.add(now)
	s.apply(c, sets, now, portalUser)
	if s.stage != nil && c.field(s.stage) == nil {
		s.set(c, s.stage, "lead", now, portalUser)
	}
	s.log(c, Change{Kind: ChangeCreated, At: now})
	s.log(c, differences(nil, sets, now)...)
	return c, nil
}

// personSets checks what a person typed for c, nil = a new contact.
func (s *Sim) personSets(properties map[string]string, c *contact) ([]setting, error) {
	r := row{Properties: make(map[string]scalar, len(properties))}
	for name, v := range properties {
		r.Properties[name] = scalar{text: v}
	}
	sets, e := s.check(&call{api: apiV3}, &r, c)
	if e != nil {
		return nil, fmt.Errorf("refused as %s", e.category)
	}
	return sets, nil
}

// Edit changes a contact; "" clears a value. Values are checked and stored in HubSpot's form.
func (s *Sim) Edit(t Target, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.target(t)
	if err != nil {
		return fmt.Errorf("edit contact: %w", err)
	}
	sets, err := s.personSets(properties, c)
	if err != nil {
		return fmt.Errorf("edit contact %s: %w", c.idText(), err)
	}
	s.personWrites(c, sets, s.now().UnixMilli())
	return nil
}

// personWrites stores what a person typed, and logs what was different before.
func (s *Sim) personWrites(c *contact, sets []setting, now int64) {
	changes := differences(c, sets, now)
	s.apply(c, sets, now, portalUser)
	s.log(c, changes...)
}

// Merge merges other into primary, and gives the id of the survivor.
func (s *Sim) Merge(primary, other Target) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.target(primary)
	if err != nil {
		return "", fmt.Errorf("merge contacts: primary: %w", err)
	}
	b, err := s.target(other)
	if err != nil {
		return "", fmt.Errorf("merge contacts: other: %w", err)
	}
	now := s.now().UnixMilli()
	old := joinIDs([]int64{a.id, b.id})
	if s.quirks.MergeKeepsPrimaryID {
		old = b.idText()
	}
	into, err := s.mergeRecords(a, b, now, portalUser)
	if err != nil {
		return "", fmt.Errorf("merge contacts: %w", err)
	}
	s.log(into, Change{Kind: ChangeMerged, Value: old, At: now})
	for i := range into.fields {
		f := &into.fields[i]
		if was, _ := a.value(f.def); was != f.value {
			s.log(into, Change{Kind: ChangeUpdated, Property: f.def.Name, Value: f.value, Was: was, At: now})
		}
	}
	return into.idText(), nil
}

// Archive puts a contact into the recycle bin.
func (s *Sim) Archive(t Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.target(t)
	if err != nil {
		return fmt.Errorf("archive contact: %w", err)
	}
	now := s.now().UnixMilli()
	s.portal.archive(c, now)
	s.log(c, Change{Kind: ChangeArchived, At: now})
	return nil
}

// Restore takes a contact out of the recycle bin, with the id and the values it had. It fails when it is not there,
// when it has been there for more than 90 days, and when another contact has taken its address or a unique value since;
// what HubSpot does in that case is not documented.
func (s *Sim) Restore(t Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixMilli()
	c, err := s.inBin(t, now)
	if err != nil {
		return fmt.Errorf("restore contact: %w", err)
	}
	if !s.canReturn(c) {
		return fmt.Errorf("restore contact %s: %w", c.idText(), errTaken)
	}
	if address := s.primary(c); s.archived[address] == c {
		delete(s.archived, address)
	}
	c.archivedAt = 0
	s.live++
	s.reindex(c)
	s.touch(c, now, !s.quirks.RestoreKeepsModified)
	c.recent = nil // the index had dropped it
	s.mail(c, now)
	s.log(c, Change{Kind: ChangeRestored, At: now})
	return nil
}

// canReturn says whether an archived contact's addresses and unique values are still free.
func (s *Sim) canReturn(c *contact) bool {
	for _, a := range append([]string{s.primary(c)}, c.extra...) {
		if a != "" && s.byEmail[a] != nil {
			return false
		}
	}
	for def, index := range s.unique {
		if v, ok := c.value(def); ok && v != "" && index[v] != 0 {
			return false
		}
	}
	return true
}

// Purge deletes a contact for privacy: it leaves no trace but a blocked address.
func (s *Sim) Purge(t Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.target(t)
	if err != nil {
		return fmt.Errorf("purge contact: %w", err)
	}
	s.purge(c)
	s.log(c, Change{Kind: ChangePurged, At: s.now().UnixMilli()})
	return nil
}

// Optout opts an address out of all e-mail, or in again; the address needs no contact.
func (s *Sim) Optout(address string, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address = normalAddress(address)
	by := author{source: sourcePeople, now: s.now().UnixMilli()}
	change := Change{Kind: ChangeOptout, Email: address, At: by.now}
	was := s.wideOut(address, 0)
	switch {
	case out == (was != nil):
		return
	case out:
		s.stand(address, true, wholePortal, stateOut, by, reasonAll)
	default:
		change.Kind = ChangeOptin
		for was != nil { // of the account, and of its own brand
			s.stand(address, true, was.of, stateIn, by, reasonResubscribe)
			was = s.wideOut(address, 0)
		}
	}
	s.log(s.holder(address), change)
}

// Subscribe sets the status of an address with one subscription type, as a person does on a contact's page: status is
// SUBSCRIBED or UNSUBSCRIBED. It fails on another word and on an unknown type.
func (s *Sim) Subscribe(address string, subscription int64, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.subscription(subscription)
	if of == nil || status != stateIn && status != stateOut {
		return fmt.Errorf("set subscription %d to %q: no such type or status", subscription, status)
	}
	address = normalAddress(address)
	was, by := s.standing(address, of), author{source: sourcePeople, now: s.now().UnixMilli()}
	s.setStatus(address, of, status, by)
	if is := s.standing(address, of); (is == stateOut) != (was == stateOut) {
		change := Change{Kind: ChangeOptin, Email: address, Property: optoutProperty(of.ID), Was: yes(was == stateOut), Value: yes(is == stateOut), At: by.now}
		if is == stateOut {
			change.Kind = ChangeOptout
		}
		s.log(s.holder(address), change)
	}
	return nil
}

// holder is the live contact whose main address it is, nil = none.
func (s *Sim) holder(address string) *contact {
	if c := s.byEmail[address]; c != nil && s.primary(c) == address {
		return c
	}
	return nil
}
