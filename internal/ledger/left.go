package ledger

// Left is a value of the application that was left out: as the event said it, so that it can be checked again by other
// definitions.
type Left struct {
	Kind uint8  `json:"k,omitempty"` // see mapping.Raw
	Text string `json:"v,omitempty"`
	ID   int64  `json:"i"`           // outbox id of the event
	At   int64  `json:"a,omitempty"` // when it was said, unix ms
}

// The bounds of what a link keeps: bytes of a value, and values.
const (
	MaxLeftBytes = 8 << 10
	maxLeft      = 100
)

// Owe keeps a value that was left out, until a later event sets the property, HubSpot's own value stands above it, or
// HubSpot has it. canon is its canonical form. A value over the bounds is not kept, and neither is the one before it.
func (l *Link) Owe(property, canon string, v Left) {
	f := l.field(property)
	if f.Set > v.ID || f.Left != nil && f.Left.ID > v.ID {
		return
	}
	if f.Left = nil; !f.Holds(canon) && len(v.Text) <= MaxLeftBytes && l.lefts() < maxLeft {
		f.Left = &v
	}
	l.setField(property, f)
}

// Took notes that HubSpot has the value that was left out.
func (l *Link) Took(property string) {
	if f := l.field(property); f.Left != nil {
		f.Set = max(f.Set, f.Left.ID)
		f.Left, f.Refused = nil, ""
		l.setField(property, f)
	}
}

// Renewed is what stays of a property for another contact of the lead: the order of the events, what is owed, and what
// is in doubt: a request to the other contact may have had no answer before the lead was linked to it.
func (f Field) Renewed() Field {
	n := Field{Set: f.Set, Left: f.Left, Maybe: f.Maybe}
	if n.Left != nil {
		n.Refused = f.Refused
	}
	return n
}

// OwedFields counts the values that wait for another definition: a lead without a contact owes none.
func (l *Link) OwedFields() int64 {
	if l.State != Linked {
		return 0
	}
	return l.lefts()
}

func (l *Link) lefts() (n int64) {
	for _, f := range l.Fields {
		if f.Left != nil {
			n++
		}
	}
	return n
}

// overtakeLeft drops the value that was left out once something later has set the property.
func (f *Field) overtakeLeft() {
	if f.Left != nil && f.Set > f.Left.ID {
		f.Left, f.Refused = nil, ""
	}
}
