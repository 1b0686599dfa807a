package hubspotsim

import (
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

// EachContact gives every live contact, by rising id, until f returns an error. It does not hold the Sim while f runs,
// so that a contact that is changed meanwhile is given in one of its states.
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

// inBin finds an archived contact that can still be restored; the lock is held.
func (s *Sim) inBin(t Target, now int64) (*contact, error) {
	var c *contact
	if t.Email != "" {
		c = s.archived[normalAddress(t.Email)]
	} else if id, err := strconv.ParseInt(t.ID, 10, 64); err == nil {
		c = s.byID[id]
	}
	if c == nil || !c.binned(now) {
		return nil, errNotInBin
	}
	return c, nil
}
