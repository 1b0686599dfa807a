package ledger

import (
	"maps"
	"slices"
)

// Winner decides a field that both sides changed.
type Winner int

// The winners. Rules that need more than the two values (newest, fill_empty) are resolved to one of them by the caller.
const (
	App     Winner = iota // the application's pending value is written
	HubSpot               // HubSpot's value stays and is told to the application
)

// Pending is one value that a pending row of the lead wants a property to have, canonical, with the outbox id of the
// row.
type Pending struct {
	Canon string
	ID    int64
}

// Reading is one property as a fresh reading of the contact shows it.
type Reading struct {
	Property string
	Canon    string // canonical; empty = unset there
	// Pending are the values of all pending rows of the lead that carry the property, in id order.
	Pending []Pending
	// Top is the highest outbox id of any row of the lead, in any state, that carries the property. A value that is taken
	// from HubSpot stands above all of them.
	Top int64
	// Unheard: the application has not taken yet what it was told of the property, or a pending row that carries it was
	// written before that. It is decided as if it had not been told.
	Unheard bool
	// Told is false for a field of direction push: the application never hears of it and its word always counts.
	Told bool
	// Winner decides when both sides changed.
	Winner Winner
}

// Verdict is what Merge found.
type Verdict int

// The verdicts of Merge.
const (
	Same     Verdict = iota // HubSpot holds what was last seen there
	Ours                    // the value is a pending row's own, on its way to be settled
	Theirs                  // changed only there
	AppWins                 // changed on both sides, the application's value is to be written
	HubWins                 // changed on both sides, HubSpot's value stays
	Recorded                // changed there in a field the application is not told of
	HubKeeps                // changed on both sides, HubSpot's value stays, and the application is not told of the field
)

// Tell reports whether the application gets the value in its inbox.
func (v Verdict) Tell() bool { return v == Theirs || v == HubWins }

// Merge takes one property of a fresh reading into the ledger: a three-way comparison of the last value seen (base),
// HubSpot's value (theirs) and the pending rows (ours). With an empty ledger it is the rule of the first link. Only a
// reading made while no request for the lead is under way may be given to it.
//
// A reading that equals a pending row's value is ours: rows stay pending until they are settled, so between "HubSpot
// applied it" and "settled" they are the write-ahead log of the ledger.
func (l *Link) Merge(r Reading) Verdict {
	f := l.field(r.Property)
	defer func() { l.setField(r.Property, f) }()
	base, again, first := f.Seen, r.Unheard && f.Told, r.Told && f.Untold
	knows := base // what the application does
	if again || f.Untold {
		knows = f.Base
	}
	if again || first {
		base = knows
	}
	newer := len(r.Pending) > 0 && r.Pending[len(r.Pending)-1].ID >= f.Set
	switch {
	case first && r.Canon == knows:
		f.observe(r.Canon)
		return Same
	case r.Canon == f.Seen && !(again && newer) && !first:
		f.Shown = true
		return Same
	}
	var own *Pending
	ours := false
	for i := range r.Pending {
		p := &r.Pending[i]
		own = p
		if p.ID >= f.Set && p.Canon == r.Canon {
			ours = true
		}
	}
	if ours {
		for _, p := range r.Pending {
			if p.Canon == r.Canon {
				f.Set = max(f.Set, p.ID)
			}
		}
		told := f.Told && r.Canon == f.Seen
		f.observe(r.Canon)
		f.Told, f.Base = told, r.Canon
		if !told {
			f.Base = ""
		}
		return Ours
	}
	if own != nil && own.Canon != base && own.ID >= f.Set {
		return f.both(&r, own, base, knows)
	}
	f.observe(r.Canon)
	if !r.Told {
		f.keepsFrom(knows)
		return Recorded
	}
	f.Set = max(f.Set, r.Top+1)
	f.Told, f.Base = true, base
	return Theirs
}

// both decides a property that the pending row and HubSpot changed from base; knows is what the application does.
func (f *Field) both(r *Reading, own *Pending, base, knows string) Verdict {
	if r.Winner == HubSpot {
		f.observe(r.Canon)
		f.Set = max(f.Set, r.Top+1)
		if !r.Told {
			f.keepsFrom(own.Canon)
			return HubKeeps
		}
		f.Told, f.Base = true, base
		return HubWins
	}
	told, known := f.Told, ""
	if told {
		known = f.Base
	}
	f.observe(r.Canon)
	f.Owed, f.Told, f.Base = r.Told, told, known // what was told is withdrawn when the row is written
	if !r.Told && !told {
		f.keepsFrom(knows)
	}
	return AppWins
}

// observe takes HubSpot's value: what we sent stands no longer.
func (f *Field) observe(canon string) {
	f.Sent, f.Seen, f.Shown, f.Owed, f.Told, f.Base, f.Untold = canon, canon, true, false, false, "", false
	if f.Left == nil {
		f.Refused = ""
	}
}

// keepsFrom notes that the application is not told of what was observed and knows another value.
func (f *Field) keepsFrom(knows string) {
	if f.Untold = f.Seen != knows; f.Untold {
		f.Base = knows
	}
}

// Agreed notes that an event of the application said the value of a property: where HubSpot holds it, there is nothing
// to tell.
func (l *Link) Agreed(property, canon string) {
	if f := l.field(property); f.Untold && f.Seen == canon {
		f.Untold, f.Base = false, ""
		l.setField(property, f)
	}
}

// Holds reports whether HubSpot is known to hold the value: it is what was seen, or what we sent and whose showing has
// not moved.
func (f Field) Holds(canon string) bool { return canon == f.Seen || canon == f.Sent }

// Field returns what is known of a property; the zero Field when nothing is.
func (l *Link) Field(property string) Field { return l.Fields[property] }

// Overtaken reports whether a later event than id has set the property.
func (l *Link) Overtaken(property string, id int64) bool { return l.Fields[property].Set > id }

// Wrote records an accepted write. shown is the canonical value the answer showed, nil when it did not show the
// property. It returns false when the answer shows another value than the one sent.
func (l *Link) Wrote(property, canon string, set int64, shown *string) bool {
	f := l.field(property)
	if canon != f.Seen || f.Untold {
		f.Told, f.Untold, f.Base = false, false, ""
	}
	if f.Left != nil && f.Left.ID <= set {
		f.Left = nil
	}
	if f.Left == nil {
		f.Refused = ""
	}
	f.Sent, f.Seen, f.Shown, f.Owed = canon, canon, shown != nil, false
	if shown != nil {
		f.Seen = *shown
	}
	f.Set = max(f.Set, set)
	l.setField(property, f)
	return f.Seen == canon
}

// Raise stands a skipped row's id in the order of the property: an older row that is requeued may not set it any more.
func (l *Link) Raise(property string, id int64) {
	f := l.field(property)
	if id > f.Set {
		f.Set = id
		l.setField(property, f)
	}
}

// Refuse marks a value as left out. What HubSpot holds stays as it was.
func (l *Link) Refuse(property, code string) {
	f := l.field(property)
	f.Refused = code
	l.setField(property, f)
}

// Owes lists the properties whose HubSpot value lost to a pending row that is no longer there to be written: still
// holds reports whether a pending row newer than the ledger still carries the property. The caller tells the
// application and the mark is gone.
func (l *Link) Owes(still func(property string, set int64) bool) map[string]string {
	var owed map[string]string
	for p, f := range l.Fields {
		if !f.Owed || f.Left != nil || still(p, f.Set) { // a value that was left out may still be written over it
			continue
		}
		f.Owed, f.Told, f.Base = false, true, f.Seen
		l.Fields[p] = f
		if owed == nil {
			owed = map[string]string{}
		}
		owed[p] = f.Seen
	}
	return owed
}

// Unshown reports whether some field was written without an answer that showed it.
func (l *Link) Unshown() bool {
	for _, f := range l.Fields {
		if !f.Shown && f.Sent != "" {
			return true
		}
	}
	return false
}

// Clone returns a deep copy, so that a plan can be thrown away.
func (l *Link) Clone() *Link {
	c := *l
	c.Fields = make(map[string]Field, len(l.Fields))
	for k, v := range l.Fields {
		c.Fields[k] = v
	}
	c.OptOut.Evidenced, c.OptOut.Doubts = slices.Clone(l.OptOut.Evidenced), maps.Clone(l.OptOut.Doubts)
	c.OptOut.Left, c.OptOut.Former = maps.Clone(l.OptOut.Left), slices.Clone(l.OptOut.Former)
	return &c
}

func (l *Link) field(property string) Field { return l.Fields[property] }

func (l *Link) setField(property string, f Field) {
	if l.Fields == nil {
		l.Fields = map[string]Field{}
	}
	f.overtakeLeft()
	l.Fields[property] = f
	if property == AddressField {
		l.Address = f.Seen
	}
}
