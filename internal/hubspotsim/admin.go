package hubspotsim

import (
	"fmt"
	"strconv"
)

// ContactView is a live contact with all its values, for whoever checks what the portal holds.
type ContactView struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"` // set values only, system ones included; "" never appears
	CreatedAt  int64             `json:"created_at"` // unix ms
	UpdatedAt  int64             `json:"updated_at"`
}

// Target names a contact by id or by any of its addresses.
type Target struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

func (s *Sim) view(c *contact) ContactView {
	v := ContactView{ID: c.idText(), Properties: make(map[string]string, len(c.fields)+6), CreatedAt: c.createdAt, UpdatedAt: c.updatedAt}
	for i := range c.fields {
		if f := &c.fields[i]; f.value != "" {
			v.Properties[f.def.Name] = f.value
		}
	}
	for _, def := range s.system {
		if text, ok := def.read(&s.portal, c); ok {
			v.Properties[def.Name] = text
		}
	}
	return v
}

// EachContact gives every live contact, by rising id, until f returns an error. It does not hold the Sim while f runs, so that
// a contact that is changed meanwhile is given in one of its states.
func (s *Sim) EachContact(f func(ContactView) error) error {
	const chunk = 500
	var last int64
	for {
		var views []ContactView
		s.mu.Lock()
		i, _ := s.position(last + 1)
		for ; i < len(s.ordered) && len(views) < chunk; i++ {
			last = s.ordered[i].id
			if s.ordered[i].archivedAt == 0 {
				views = append(views, s.view(s.ordered[i]))
			}
		}
		s.mu.Unlock()
		if len(views) == 0 {
			return nil
		}
		for _, v := range views {
			if err := f(v); err != nil {
				return err
			}
		}
	}
}

// Contacts are all live contacts by rising id. For very many use EachContact.
func (s *Sim) Contacts() []ContactView {
	var all []ContactView
	_ = s.EachContact(func(v ContactView) error { all = append(all, v); return nil }) // f never fails
	return all
}

// target finds a live contact; the lock is held.
func (s *Sim) target(t Target) (*contact, error) {
	var c *contact
	if t.Email != "" {
		c = s.findAddress(t.Email, false)
	} else if id, err := strconv.ParseInt(t.ID, 10, 64); err == nil {
		c = s.resolve(id)
	}
	if c == nil || c.archivedAt != 0 {
		return nil, errNoContact
	}
	return c, nil
}

// portalUser is who history names for what people do in HubSpot's screens.
var portalUser = &source{"CRM_UI", "userId:12345"}

// Edit changes a contact as a person in HubSpot would: no rules, no limits; values are checked and stored in HubSpot's form.
func (s *Sim) Edit(t Target, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.target(t)
	if err != nil {
		return fmt.Errorf("edit contact: %w", err)
	}
	r := row{Properties: make(map[string]scalar, len(properties))}
	for name, v := range properties {
		r.Properties[name] = scalar{text: v}
	}
	now := s.cfg.Clock().UnixMilli()
	sets, e := s.check(&call{api: apiV3}, &r, c)
	if e != nil {
		return fmt.Errorf("edit contact %s: refused as %s", c.idText(), e.category)
	}
	s.apply(c, sets, now, portalUser)
	return nil
}

// Merge merges other into primary as a person would, and gives the id of the survivor.
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
	into, err := s.mergeRecords(a, b, s.cfg.Clock().UnixMilli(), portalUser)
	if err != nil {
		return "", fmt.Errorf("merge contacts: %w", err)
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
	s.portal.archive(c, s.cfg.Clock().UnixMilli())
	return nil
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
	return nil
}

// Optout opts an address out of all e-mail, or in again; the address needs no contact.
func (s *Sim) Optout(address string, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address = normalAddress(address)
	s.optedOut[address] = out
	if c := s.byEmail[address]; c != nil && s.quirks.OptoutBumpsModified {
		c.updatedAt = s.cfg.Clock().UnixMilli()
	}
}
