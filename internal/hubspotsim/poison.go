package hubspotsim

import (
	"strings"
	"time"
)

// A contact's address can choose a fault, so that whoever feeds leads can break one row: the local part is
// fault-KIND[-anything], or fault1-KIND[-anything] for the first write of that address only. Reads are never touched.
//
//	400 401 403 409 423 429 429daily 477 500 502html 524   the whole request, as in a fault script
//	lost cut hang empty200 noids slow                       the same; slow takes 2 s
//	invalid        the row is refused: INVALID_EMAIL (a syntax that HubSpot alone dislikes)
//	refused        the row is refused without naming a property
//	whole400       the whole batch is refused, trace ids or not, and names nothing
//	whole400named  the same, naming email and INVALID_EMAIL
//	drop           the row appears neither in results nor in errors and is not applied
//	dropapplied    the same, but it is applied
//	noid           the row's result has no id
//
// subfault-KIND and subfault1-KIND do the same to the writes of subscriptions, and to nothing else: there refused and
// invalid refuse one address of a batch, and noid takes all names from the answer.
type poison struct {
	kind string
	once bool
}

var rowPoisons = map[string]bool{
	"invalid": true, "refused": true, "whole400": true, "whole400named": true, "drop": true, "dropapplied": true, "noid": true,
}

// poisonOf reads a fault out of an address in lower case; word is what begins it.
func poisonOf(address, word string) poison {
	if !strings.HasPrefix(address, word) {
		return poison{}
	}
	local, _, _ := strings.Cut(address, "@")
	kind, once := strings.CutPrefix(local, word+"1-")
	if !once {
		var ok bool
		if kind, ok = strings.CutPrefix(local, word+"-"); !ok {
			return poison{}
		}
	}
	kind, _, _ = strings.Cut(kind, "-")
	if takes, ok := faultKinds[kind]; rowPoisons[kind] || ok && takes < 2 || kind == "slow" {
		return poison{kind, once}
	}
	return poison{}
}

// poisonRows looks for addresses that choose a fault in a write, marks their rows and gives the fault of the whole
// request.
func (s *Sim) poisonRows(c *call) (whole fault) {
	if consentWrites[c.op] {
		return s.poisonSubscribers(c)
	}
	if !writes[c.op] {
		return fault{}
	}
	for i := range c.rows {
		r := &c.rows[i]
		address := s.addressOf(c, r)
		p := s.poisonNow(address, "fault")
		switch {
		case p.kind == "":
		case p.kind == "drop":
			r.skip, r.hide = true, true
		case p.kind == "dropapplied":
			r.hide = true
		case p.kind == "noid":
			r.noID = true
		case rowPoisons[p.kind]:
			r.poison = p.kind
		case whole.kind == "":
			whole = fault{op: c.op, kind: p.kind, wait: 2 * time.Second}
		}
	}
	return whole
}

// poisonNow is the fault of an address, unless it has had it.
func (s *Sim) poisonNow(address, word string) poison {
	p := poisonOf(address, word)
	if p.once {
		if s.spent[address] {
			return poison{}
		}
		s.spent[address] = true
	}
	return p
}

// poisonSubscribers is poisonRows for the writes of subscriptions.
func (s *Sim) poisonSubscribers(c *call) (whole fault) {
	for i := range c.subscribers {
		r := &c.subscribers[i]
		p := s.poisonNow(r.address, "subfault")
		switch {
		case p.kind == "":
		case p.kind == "drop":
			r.skip, r.hide = true, true
		case p.kind == "dropapplied":
			r.hide = true
		case p.kind == "noid":
			c.mangle = true
		case rowPoisons[p.kind]:
			r.poison = p.kind
		case whole.kind == "":
			whole = fault{op: c.op, kind: p.kind, wait: 2 * time.Second}
		}
	}
	return whole
}

// addressOf is the address a row is about: the one it writes, the one it is keyed by, or the one its contact has.
func (s *Sim) addressOf(c *call, r *row) string {
	if v, ok := r.Properties["email"]; ok && v.text != "" {
		return normalAddress(v.text)
	}
	if strings.Contains(r.ID.text, "@") {
		return normalAddress(r.ID.text)
	}
	if known := s.liveID(r.ID.text); known != nil {
		return s.primary(known)
	}
	return ""
}
