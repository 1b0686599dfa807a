package hubspotsim

import "slices"

// The kinds of Change.
const (
	ChangeCreated  = "created"
	ChangeUpdated  = "updated"
	ChangeArchived = "archived"
	ChangeRestored = "restored"
	ChangeMerged   = "merged"
	ChangePurged   = "purged"
	ChangeOptout   = "optout"
	ChangeOptin    = "optin"
)

// Change is one thing that a person changed in HubSpot, for a test that compares all of them with what the application
// was told. What comes in through the API is no Change.
type Change struct {
	Kind string `json:"kind"`
	// Who is the source that property history names, as CRM_UI userId:12345.
	Who string `json:"who"`
	// ContactID is the contact; of a merge the survivor; of an opt-out or opt-in the live contact that has the address, ""
	// = none.
	ContactID string `json:"contact_id"`
	// Email is the address of an opt-out or opt-in, and of everything else the contact's main address after the change; ""
	// = none.
	Email string `json:"email"`
	// Property, Value and Was are set for ChangeUpdated; a contact that is created is one ChangeCreated, and one
	// ChangeUpdated for each value. A merge has the ids that are gone in Value, as old1;old2, and one ChangeUpdated for
	// each value that the survivor has and the primary contact had not.
	Property string `json:"property,omitempty"`
	Value    string `json:"value,omitempty"`
	Was      string `json:"was,omitempty"`
	// At is HubSpot's time, unix ms.
	At int64 `json:"at"`
}

// Changes are all changes that people made in the first account, in the order they were made. The caller owns the list.
func (s *Sim) Changes() []Change { return s.ChangesSince(0) }

// ChangesSince are the changes after the first n.
func (s *Sim) ChangesSince(n int) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes[min(n, len(s.changes)):])
}

// log keeps changes of a contact, nil = none, after they were made; the lock is held.
func (s *Sim) log(of *contact, changes ...Change) {
	for _, c := range changes {
		c.Who = portalUser.kind + " " + portalUser.id
		if of != nil {
			c.ContactID = of.idText()
			c.Email = orText(c.Email, s.primary(of))
		}
		s.changes = append(s.changes, c)
	}
}

// differences are the values of sets that c does not hold, nil = a contact to be made.
func differences(c *contact, sets []setting, now int64) []Change {
	var all []Change
	for _, one := range sets {
		var was string
		if c != nil {
			was, _ = c.value(one.def)
		}
		if was != one.value {
			all = append(all, Change{Kind: ChangeUpdated, Property: one.def.Name, Value: one.value, Was: was, At: now})
		}
	}
	return all
}
