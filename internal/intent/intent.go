// Package intent says what the pending rows of one lead add up to. NewRow reads and checks a row, Fold makes one intent
// of a lead's rows, and the methods of Intent take away what a later event has set already and what HubSpot is known to
// hold; what is left is written. It is pure: neither the database nor HubSpot is asked.
//
// Design: rows are folded field by field, the last value of each field counts, and so does the last address that may be
// written. The rejected way was one request a row: ten pending rows of a lead would be ten requests, and a row that is
// tried again would put its old values over newer ones.
package intent

import (
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Change is the last word of the folded rows about one property.
type Change struct {
	Property string
	Send     string // what goes to HubSpot
	Canon    string // the form in which it is compared
	Row      *Row   // the row whose word it is; nil for a value that comes out of the ledger
	Set      int64  // the outbox id whose word it is
}

// Intent is what the folded rows of one lead add up to.
type Intent struct {
	Rows    []*Row            // the rows folded, in id order
	Changes map[string]Change // by contact property, the address not among them
	Address *Change           // the last address that may be written, nil when there is none
}

// Fold takes the rows in id order: fields last-wins, last address. A blocked address costs only itself: the one before
// it counts, and the other fields of its row go on.
func Fold(rows []*Row, blocked func(address string) bool) Intent {
	in := Intent{Rows: rows, Changes: map[string]Change{}}
	for _, r := range rows {
		for _, v := range r.Values {
			in.Changes[v.Property] = Change{v.Property, v.Send, v.Canon, r, r.Num()}
		}
	}
	in.Address = LastAddress(rows, blocked)
	return in
}

// LastAddress is the last address of the rows that is not blocked; nil when there is none.
func LastAddress(rows []*Row, blocked func(address string) bool) *Change {
	for i := len(rows) - 1; i >= 0; i-- {
		if r := rows[i]; r.Address != "" && (blocked == nil || !blocked(r.Address)) {
			return &Change{ledger.AddressField, r.Address, r.Address, r, r.Num()}
		}
	}
	return nil
}

// Registered reports whether one of the rows is a lead.registered that is newer than id.
func (in Intent) Registered(after int64) bool {
	for _, r := range in.Rows {
		if r.Event == outbox.Registered && r.Num() > after {
			return true
		}
	}
	return false
}

// DropOvertaken removes what a later event has set already, field by field.
func (in *Intent) DropOvertaken(l *ledger.Link) {
	for p, c := range in.Changes {
		if l.Overtaken(p, c.Set) {
			delete(in.Changes, p)
		}
	}
	if in.Address != nil && l.Overtaken(ledger.AddressField, in.Address.Set) {
		in.Address = nil
	}
}

// DropCurrent removes what HubSpot is known to hold; late are values that stand there against the ledger, unheard are
// properties of which it must be decided first whether the application knows what stands there.
func (in *Intent) DropCurrent(l *ledger.Link, late map[string]string, unheard map[string]bool) {
	holds := func(p, canon string) bool {
		if unheard[p] {
			return l.Field(p).Seen == canon
		}
		if there, ok := late[p]; ok {
			return there == canon
		}
		return l.Field(p).Holds(canon)
	}
	for p, c := range in.Changes {
		if holds(p, c.Canon) {
			delete(in.Changes, p)
		}
	}
	if in.Address != nil && holds(ledger.AddressField, in.Address.Canon) {
		in.Address = nil
	}
}

// HasAny reports whether one of the properties is to be written.
func (in Intent) HasAny(properties map[string]bool) bool {
	for p := range properties {
		if _, ok := in.Changes[p]; ok || p == ledger.AddressField && in.Address != nil {
			return true
		}
	}
	return false
}

// ClearsUnknownField reports whether a property is to be cleared that the ledger has never heard of: a contact that was
// there before us may hold a value.
func (in Intent) ClearsUnknownField(l *ledger.Link) bool {
	for p, c := range in.Changes {
		if _, known := l.Fields[p]; c.Canon == "" && !known {
			return true
		}
	}
	return false
}

// Empty reports whether nothing is left to write.
func (in Intent) Empty() bool { return len(in.Changes) == 0 && in.Address == nil }

// Overtaken reports whether later events have set every field the row carries.
func (r *Row) Overtaken(l *ledger.Link) bool {
	if len(r.Values) == 0 && r.Address == "" {
		return false
	}
	for _, v := range r.Values {
		if !l.Overtaken(v.Property, r.Num()) {
			return false
		}
	}
	return r.Address == "" || l.Overtaken(ledger.AddressField, r.Num())
}

// PendingValues lists what all pending rows of the lead want a property to have, in id order.
func PendingValues(rows []*Row, property string) []ledger.Pending {
	var out []ledger.Pending
	for _, r := range rows {
		if property == ledger.AddressField {
			if r.Address != "" {
				out = append(out, ledger.Pending{Canon: r.Address, ID: r.Num()})
			}
			continue
		}
		for _, v := range r.Values {
			if v.Property == property {
				out = append(out, ledger.Pending{Canon: v.Canon, ID: r.Num()})
			}
		}
	}
	return out
}

// KnownUnchanged reports whether "unchanged" can be said of what was dropped as held without looking: every pending row
// that carries the property has the ledger's value. A row with another value may have been applied in an attempt whose
// answer never came.
func KnownUnchanged(rows []*Row, l *ledger.Link) bool {
	for _, r := range rows {
		for _, v := range r.Values {
			if !l.Overtaken(v.Property, r.Num()) && !l.Field(v.Property).Holds(v.Canon) {
				return false
			}
		}
		if r.Address != "" && !l.Overtaken(ledger.AddressField, r.Num()) && !l.Field(ledger.AddressField).Holds(r.Address) {
			return false
		}
	}
	return true
}

// Addresses lists the distinct addresses of the rows in id order.
func Addresses(rows []*Row) []string {
	var out []string
	seen := map[string]bool{}
	for _, r := range rows {
		for _, a := range []string{r.Address, r.LookFor} {
			if a != "" && !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// Clone copies the maps, so that what is dropped from a plan is not lost to the fold.
func (in Intent) Clone() Intent {
	c := Intent{Rows: in.Rows, Changes: make(map[string]Change, len(in.Changes)), Address: in.Address}
	for p, v := range in.Changes {
		c.Changes[p] = v
	}
	return c
}

// RestoreFromLedger adds what settled rows said before the contact went away: the outbox no longer has them.
func (in *Intent) RestoreFromLedger(fields map[string]ledger.Field, unfit map[string]bool) {
	for p, f := range fields {
		if _, ok := in.Changes[p]; ok || p == ledger.AddressField || f.Sent == "" || unfit[p] {
			continue
		}
		in.Changes[p] = Change{Property: p, Send: f.Sent, Canon: f.Sent, Set: f.Set}
	}
}
