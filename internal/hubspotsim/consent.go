package hubspotsim

import "slices"

// The states of a subscription. https://github.com/HubSpot/HubSpot-public-api-spec-collection, subscriptions 2026-09,
// PublicStatus
const (
	stateIn   = "SUBSCRIBED"
	stateOut  = "UNSUBSCRIBED"
	stateNone = "NOT_SPECIFIED"
)

// What a write of a status came to; the same description, setStatusSuccessReason.
const (
	reasonNone        = "NO_STATUS_CHANGE"
	reasonChanged     = "REQUESTED_CHANGE_OCCURRED"
	reasonResubscribe = "RESUBSCRIBE_OCCURRED"
	reasonAll         = "UNSUBSCRIBE_FROM_ALL_OCCURRED"
	reasonRefused     = "REFUSED" // ours, for the log
)

// wholePortal stands for a brand: an opt-out of all e-mail of the account.
const wholePortal = -1

// standing is where an address stands with one subscription type, or with all e-mail of a brand.
type standing struct {
	of     int64 // subscription type or brand
	status string
	was    string // before at
	at     int64  // unix ms
	basis  basis
	source string
}

// basis is the legal basis that came with a status.
type basis struct{ Basis, Explanation string }

// subscriber is what the account knows of an address. It belongs to the address, not to a contact: it holds for a
// contact that is created later, and a contact that changes its address leaves it behind
// (https://legacydocs.hubspot.com/docs/methods/email/update_status, read 2026-11-22, and the knowledge base on
// resubscribing).
type subscriber struct {
	wide  []standing // by brand; stateOut, or stateIn once it was lifted
	types []standing // by subscription type
}

func find(list []standing, of int64) *standing {
	i := slices.IndexFunc(list, func(one standing) bool { return one.of == of })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// wideOut is the opt-out of all e-mail of a brand that holds for an address, nil = none.
func (p *portal) wideOut(address string, brand int64) *standing {
	one := p.subscribers[address]
	if one == nil {
		return nil
	}
	for _, of := range []int64{wholePortal, brand} {
		if st := find(one.wide, of); st != nil && st.status == stateOut {
			return st
		}
	}
	return nil
}

// standing is the state of an address with a subscription type; an opt-out of all e-mail covers every type of its
// brand.
func (p *portal) standing(address string, of *Subscription) string {
	if p.wideOut(address, of.BusinessUnitID) != nil {
		return stateOut
	}
	if one := p.subscribers[address]; one != nil {
		if st := find(one.types, of.ID); st != nil {
			return st.status
		}
	}
	return stateNone
}

// mailable says whether marketing e-mail of the account's own brand may go to a contact.
func (p *portal) mailable(c *contact) bool {
	address := p.primary(c)
	return address != "" && c.archivedAt == 0 && p.wideOut(address, 0) == nil
}

// indexedOut is whether the index shows a contact as opted out: of a type, or of all e-mail when of is nil. The index
// learns it as late as any other change.
func (s *Sim) indexedOut(of *Subscription, c *contact, now int64) bool {
	one := s.subscribers[s.primary(c)]
	if one == nil {
		return false
	}
	out := func(st *standing) bool {
		switch {
		case st == nil:
			return false
		case s.shown(c.id, st.at, now):
			return st.status == stateOut
		}
		return st.was == stateOut
	}
	brand := int64(0)
	if of != nil {
		brand = of.BusinessUnitID
	}
	return out(find(one.wide, wholePortal)) || out(find(one.wide, brand)) || of != nil && out(find(one.types, of.ID))
}

// author is who changes a status, and why.
type author struct {
	source string // as PublicStatus.source gives it
	basis  basis
	now    int64
}

// The sources of a status. The first is HubSpot's own word for the API (communication preferences guide); the other is
// ours.
const (
	sourceAPI    = "Public status API"
	sourcePeople = "CRM_UI"
)

// optOutOfAll opts an address out of all e-mail of a brand, and says whether that changes anything.
func (s *Sim) optOutOfAll(address string, brand int64, by author) bool {
	if s.wideOut(address, brand) != nil {
		return false
	}
	s.stand(address, true, brand, stateOut, by, reasonAll)
	return true
}

// setStatus sets the state of one type and gives the reason; ok is false when it is refused. What SUBSCRIBED does to
// somebody who is opted out of all e-mail is not documented: Quirks.SubscribeAfterAll decides.
func (s *Sim) setStatus(address string, of *Subscription, status string, by author) (reason string, ok bool) {
	reason = s.decide(address, of, status, by)
	if reason == reasonNone || reason == reasonRefused {
		s.consented(address, false, &standing{of: of.ID, status: status, basis: by.basis, source: by.source}, by.now, reason)
		return reason, reason == reasonNone
	}
	s.stand(address, false, of.ID, status, by, reason)
	return reason, true
}

// decide is the reason of setStatus, and ends an opt-out of all e-mail where that is called for.
func (s *Sim) decide(address string, of *Subscription, status string, by author) (reason string) {
	was := s.standing(address, of)
	wide := s.wideOut(address, of.BusinessUnitID)
	own := stateNone
	if one := s.subscribers[address]; one != nil {
		if st := find(one.types, of.ID); st != nil {
			own = st.status
		}
	}
	switch {
	case own == status && (wide == nil || status == stateOut):
		return reasonNone
	case status == stateOut, was != stateOut:
		return reasonChanged
	case wide != nil && s.quirks.SubscribeAfterAll == "refused":
		return reasonRefused
	case wide != nil && s.quirks.SubscribeAfterAll == "lifts":
		s.lift(address, wide, of, by)
	case own == status: // it was asked for before, and the opt-out of all stays
		return reasonNone
	}
	return reasonResubscribe
}

// lift ends an opt-out of all e-mail for the sake of one type; the address stays opted out of the others.
func (s *Sim) lift(address string, wide *standing, of *Subscription, by author) {
	brand := wide.of
	for _, other := range s.subscriptions {
		if other != of && (brand == wholePortal || other.BusinessUnitID == brand) {
			s.stand(address, false, other.ID, stateOut, by, reasonNone)
		}
	}
	s.stand(address, true, brand, stateIn, by, reasonResubscribe)
}

// stand stores a state and tells the contact that has the address, the log and the index.
func (s *Sim) stand(address string, wide bool, of int64, status string, by author, reason string) {
	one := s.subscribers[address]
	if one == nil {
		one = &subscriber{}
		s.subscribers[address] = one
	}
	list := &one.types
	if wide {
		list = &one.wide
	}
	st := find(*list, of)
	if st == nil {
		*list = append(*list, standing{of: of, status: stateNone})
		st = &(*list)[len(*list)-1]
	}
	if st.status != status {
		st.was, st.status, st.at = st.status, status, by.now
	}
	st.basis, st.source = by.basis, by.source
	s.consented(address, wide, st, by.now, reason)
	if c := s.holder(address); c != nil {
		s.touch(c, by.now, s.quirks.OptoutBumpsModified)
		s.mail(c, by.now)
	}
}
