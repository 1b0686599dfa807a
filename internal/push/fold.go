package push

import (
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// change is the last word of the folded rows about one property.
type change struct {
	property string
	send     string // what goes to HubSpot
	canon    string // the form in which it is compared
	row      *row   // the row whose word it is; nil for a value that comes out of the ledger
	set      int64  // the outbox id whose word it is
}

func (c change) id() int64 { return c.set }

// intent is what the folded rows of one lead add up to.
type intent struct {
	rows    []*row            // the rows folded, in id order
	changes map[string]change // by contact property, the address not among them
	addr    *change           // the last address that may be written, nil when there is none
}

// fold takes the rows in id order: fields last-wins, last address. A blocked address costs only itself: the one before it counts, and
// the other fields of its row go on.
func fold(rows []*row, blocked func(address string) bool) intent {
	in := intent{rows: rows, changes: map[string]change{}}
	for _, r := range rows {
		for _, v := range r.values {
			in.changes[v.Property] = change{v.Property, v.Send, v.Canon, r, r.id()}
		}
	}
	in.addr = address(rows, blocked)
	return in
}

// address is the last address of the rows that is not blocked; nil when there is none.
func address(rows []*row, blocked func(address string) bool) *change {
	for i := len(rows) - 1; i >= 0; i-- {
		if r := rows[i]; r.addr != "" && (blocked == nil || !blocked(r.addr)) {
			return &change{ledger.AddressField, r.addr, r.addr, r, r.id()}
		}
	}
	return nil
}

// registered reports whether one of the rows is a lead.registered that is newer than id.
func (in intent) registered(after int64) bool {
	for _, r := range in.rows {
		if r.typ == outbox.Registered && r.id() > after {
			return true
		}
	}
	return false
}

// dropOvertaken removes what a later event has set already, field by field.
func (in *intent) dropOvertaken(l *ledger.Link) {
	for p, c := range in.changes {
		if l.Overtaken(p, c.id()) {
			delete(in.changes, p)
		}
	}
	if in.addr != nil && l.Overtaken(ledger.AddressField, in.addr.id()) {
		in.addr = nil
	}
}

// dropHeld removes what HubSpot is known to hold; late are values that stand there against the ledger, unheard are properties of which it
// must be decided first whether the application knows what stands there.
func (in *intent) dropHeld(l *ledger.Link, late map[string]string, unheard map[string]bool) {
	holds := func(p, canon string) bool {
		if unheard[p] {
			return l.Field(p).Seen == canon
		}
		if there, ok := late[p]; ok {
			return there == canon
		}
		return l.Field(p).Holds(canon)
	}
	for p, c := range in.changes {
		if holds(p, c.canon) {
			delete(in.changes, p)
		}
	}
	if in.addr != nil && holds(ledger.AddressField, in.addr.canon) {
		in.addr = nil
	}
}

// hasAny reports whether one of the properties is to be written.
func (in intent) hasAny(properties map[string]bool) bool {
	for p := range properties {
		if _, ok := in.changes[p]; ok || p == ledger.AddressField && in.addr != nil {
			return true
		}
	}
	return false
}

// unheard reports whether a property is to be cleared that the ledger has never heard of: a contact that was there before us may hold
// a value.
func (in intent) unheard(l *ledger.Link) bool {
	for p, c := range in.changes {
		if _, known := l.Fields[p]; c.canon == "" && !known {
			return true
		}
	}
	return false
}

// empty reports whether nothing is left to write.
func (in intent) empty() bool { return len(in.changes) == 0 && in.addr == nil }

// overtaken reports whether later events have set every field the row carries.
func (r *row) overtaken(l *ledger.Link) bool {
	if len(r.values) == 0 && r.addr == "" {
		return false
	}
	for _, v := range r.values {
		if !l.Overtaken(v.Property, r.id()) {
			return false
		}
	}
	return r.addr == "" || l.Overtaken(ledger.AddressField, r.id())
}

// pendingValues lists what all pending rows of the lead want a property to have, in id order.
func pendingValues(rows []*row, property string) []ledger.Pending {
	var out []ledger.Pending
	for _, r := range rows {
		if property == ledger.AddressField {
			if r.addr != "" {
				out = append(out, ledger.Pending{Canon: r.addr, ID: r.id()})
			}
			continue
		}
		for _, v := range r.values {
			if v.Property == property {
				out = append(out, ledger.Pending{Canon: v.Canon, ID: r.id()})
			}
		}
	}
	return out
}

// proved reports whether "unchanged" can be said of what was dropped as held without looking: every pending row that carries the
// property has the ledger's value. A row with another value may have been applied in an attempt whose answer never came.
func proved(rows []*row, l *ledger.Link) bool {
	for _, r := range rows {
		for _, v := range r.values {
			if !l.Overtaken(v.Property, r.id()) && !l.Field(v.Property).Holds(v.Canon) {
				return false
			}
		}
		if r.addr != "" && !l.Overtaken(ledger.AddressField, r.id()) && !l.Field(ledger.AddressField).Holds(r.addr) {
			return false
		}
	}
	return true
}

// addresses lists the distinct addresses of the rows in id order.
func addresses(rows []*row) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range rows {
		for _, a := range []string{r.addr, r.lookFor} {
			if a != "" && !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	return out
}
