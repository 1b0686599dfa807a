package hubspotsim

import (
	"cmp"
	"slices"
	"strconv"
)

// The kinds of ConsentEntry.
const (
	// ConsentStatus: an address got a status with one subscription type.
	ConsentStatus = "status"
	// ConsentAll: an address was opted out of all e-mail of a brand, or that was lifted.
	ConsentAll = "all"
	// ConsentMailable and ConsentSilent: from now on marketing e-mail of the account's own brand can go to a contact, or
	// cannot. A contact that is created without an address is neither.
	ConsentMailable = "mailable"
	ConsentSilent   = "silent"
)

// ConsentEntry is one line of the log that proves who could ever be mailed, or was subscribed.
type ConsentEntry struct {
	Kind    string `json:"kind"`
	At      int64  `json:"at"` // HubSpot's time, unix ms
	Address string `json:"address"`
	// ContactID is set for ConsentMailable and ConsentSilent, the rest for the other two.
	ContactID      string `json:"contact_id,omitempty"`
	Status         string `json:"status,omitempty"` // SUBSCRIBED, UNSUBSCRIBED or NOT_SPECIFIED
	SubscriptionID int64  `json:"subscription_id,omitempty"`
	BusinessUnitID int64  `json:"business_unit_id,omitempty"` // of ConsentAll; -1 = the whole account
	LegalBasis     string `json:"legal_basis,omitempty"`
	Explanation    string `json:"explanation,omitempty"`
	Source         string `json:"source,omitempty"` // "Public status API", or CRM_UI for a person
	// Reason is NO_STATUS_CHANGE for a request that changed nothing, and REFUSED, which is not HubSpot's word, for one to
	// subscribe somebody that was refused because of an opt-out.
	Reason string `json:"reason,omitempty"`
}

// mailing is a ConsentMailable or ConsentSilent entry in short: a million contacts make a million of them.
type mailing struct {
	at, id  int64
	address string
	on      bool
	after   int // as many longer entries came before it
}

// consented keeps an entry about an address.
func (p *portal) consented(address string, wide bool, st *standing, now int64, reason string) {
	e := ConsentEntry{Kind: ConsentStatus, At: now, Address: address, Status: st.status, SubscriptionID: st.of,
		LegalBasis: st.basis.Basis, Explanation: st.basis.Explanation, Source: st.source, Reason: reason}
	if wide {
		e.Kind, e.SubscriptionID, e.BusinessUnitID = ConsentAll, 0, st.of
	}
	p.consents = append(p.consents, e)
}

// mail notes whether a contact can be mailed now, when that or its address is another than before.
func (p *portal) mail(c *contact, now int64) {
	address, on := p.primary(c), p.mailable(c)
	if on == c.mailed && address == c.mailedTo {
		return
	}
	c.mailed, c.mailedTo = on, address
	p.mailings = append(p.mailings, mailing{now, c.id, address, on, len(p.consents)})
}

// silence notes that a contact is no more.
func (p *portal) silence(c *contact, now int64) {
	if c.mailed {
		c.mailed = false
		p.mailings = append(p.mailings, mailing{now, c.id, c.mailedTo, false, len(p.consents)})
	}
}

// ConsentLog is everything that happened to consent in the first account, in order, since the Sim was made. The caller
// owns it.
func (s *Sim) ConsentLog() []ConsentEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ConsentEntry, 0, len(s.consents)+len(s.mailings))
	next := 0
	for _, m := range s.mailings {
		all = append(all, s.consents[next:m.after]...)
		next = m.after
		e := ConsentEntry{Kind: ConsentSilent, At: m.at, Address: m.address, ContactID: strconv.FormatInt(m.id, 10)}
		if m.on {
			e.Kind = ConsentMailable
		}
		all = append(all, e)
	}
	return append(all, s.consents[next:]...)
}

// OptedOut says whether an address is opted out of all e-mail of the account's own brand.
func (s *Sim) OptedOut(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wideOut(normalAddress(address), 0) != nil
}

// Status is where an address stands with a subscription type: SUBSCRIBED, UNSUBSCRIBED, or NOT_SPECIFIED, also for an
// unknown type.
func (s *Sim) Status(address string, subscription int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.subscription(subscription)
	if of == nil {
		return stateNone
	}
	return s.standing(normalAddress(address), of)
}

// Blocklist are the addresses of privacy deletions, in order. One that no contact ever had is there because somebody
// asked for its deletion by address.
func (s *Sim) Blocklist() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, 0, len(s.blocked))
	for a := range s.blocked {
		all = append(all, a)
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all
}
