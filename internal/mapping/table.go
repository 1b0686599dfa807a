// Package mapping turns the properties of an outbox row into contact properties and back: one table of field names, the
// checks and coercions HubSpot's property definitions call for, and the canonical form in which two values are
// compared.
//
// It guarantees that a value leaves this package only in a form that the definition of its property accepts, that
// everything left out is named with a code, and that Canon is idempotent. No error, code or name in its answers holds a
// value. It does not read HubSpot, the database or the clock, and does not decide who wins: it only knows the rule of
// each field.
//
// Design: a Table is immutable; new definitions make a new Table (With), so a worker that holds one sees one state of
// the portal from the fold to the settle. The rejected way, a table that refreshes itself, let one batch be checked
// against two sets of options. Values are refused here, before the request, because one bad value makes HubSpot refuse
// a whole batch of 100; where HubSpot's rule is not known the value is sent and HubSpot's word counts.
package mapping

import (
	"slices"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
)

// Direction says which way a field flows.
type Direction string

// The directions. Pull fields are ignored in pushes.
const (
	Push Direction = "push" // application to HubSpot; the default
	Pull Direction = "pull" // HubSpot to application
	Both Direction = "both"
)

// Winner says whose value stays when both sides changed a field.
type Winner string

// The winner rules.
const (
	App       Winner = "app" // the default
	HubSpot   Winner = "hubspot"
	Newest    Winner = "newest"
	FillEmpty Winner = "fill_empty" // the application's value only where HubSpot has none
)

// AddressProperty is HubSpot's name of the primary address; the ledger uses the same name.
const AddressProperty = "email"

// Field is one line of the table. Empty Direction and Winner mean Push and App.
type Field struct {
	Lead      string // name in the application's properties
	Contact   string // name of the contact property
	Direction Direction
	Winner    Winner
}

// Table is the whole mapping, with the property definitions when they are known. Immutable: safe for concurrent use.
type Table struct {
	idProperty string
	open       bool               // empty configuration: every property passes under its own name
	fields     []Field            // as configured, defaults filled in
	byLead     map[string][]Field // a lead field may feed several contact properties
	byContact  map[string]Field
	defs       map[string]*definition // nil: definitions are not known, nothing is checked
}

// New makes a table without definitions. With no fields every property passes under its own name, direction push,
// winner app. idProperty is the unique contact property that holds the lead id, empty for none: leadsync writes it
// itself, so rows cannot. Where two fields name one contact property the later one counts (Problems reports it).
func New(fields []Field, idProperty string) *Table {
	t := &Table{idProperty: idProperty, open: len(fields) == 0, byLead: map[string][]Field{}, byContact: map[string]Field{}}
	for _, f := range fields {
		if f.Direction == "" {
			f.Direction = Push
		}
		if f.Winner == "" {
			f.Winner = App
		}
		t.fields = append(t.fields, f)
		t.byLead[f.Lead] = append(t.byLead[f.Lead], f)
		t.byContact[f.Contact] = f
	}
	return t
}

// With returns a copy of the table that checks and compares by these definitions. Nil means that they are not known:
// then nothing is checked and every value compares as text. The slice is not kept.
func (t *Table) With(defs []hubspot.Property) *Table {
	c := *t
	c.defs = nil
	if defs != nil {
		c.defs = make(map[string]*definition, len(defs))
		for i := range defs {
			c.defs[defs[i].Name] = newDefinition(&defs[i])
		}
	}
	return &c
}

// Known reports whether the table has definitions.
func (t *Table) Known() bool { return t.defs != nil }

// IDProperty is the unique contact property that holds the lead id; empty when contacts are matched by address.
func (t *Table) IDProperty() string { return t.idProperty }

// Rule returns the rule of a contact property. The address and, in an empty table, every property has push and app
// unless a field says otherwise; a property that is not mapped has empty words.
func (t *Table) Rule(property string) (Direction, Winner) {
	if f, ok := t.byContact[property]; ok {
		return f.Direction, f.Winner
	}
	if t.open || property == AddressProperty {
		return Push, App
	}
	return "", ""
}

// Properties lists the contact properties to ask HubSpot for, sorted: those of the mapped fields, the address and the
// id property. An empty table only knows the last two; the caller adds the properties of its rows and links.
func (t *Table) Properties() []string {
	names := []string{AddressProperty}
	if t.idProperty != "" {
		names = append(names, t.idProperty)
	}
	for name := range t.byContact {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NeedsReading reports whether some field can only be written or kept after a look at the contact: direction both or
// pull, or a winner other than app.
func (t *Table) NeedsReading() bool {
	return slices.ContainsFunc(t.fields, func(f Field) bool { return f.Direction != Push || f.Winner != App })
}

// LeadName returns the name the application knows a contact property by; a property without a mapping keeps its own.
func (t *Table) LeadName(property string) string {
	if f, ok := t.byContact[property]; ok {
		return f.Lead
	}
	return property
}

// Exact reports whether HubSpot stores the property as one of few forms, so that a value that reads back differently
// was not taken (note "not taken: x"). For text, where HubSpot trims and sanitises, a difference means nothing.
func (t *Table) Exact(property string) bool {
	if property == lifecycleStage {
		return true
	}
	d := t.defs[property]
	return d != nil && d.kind != kindText
}

// lifecycleStage only moves forward: HubSpot answers success to a step back and keeps the old stage
// (https://integrate.hubspot.com/t/update-lifecycle-stage-using-api/1333, read 2026-11-22).
const lifecycleStage = "lifecyclestage"

// canonAddress is the canonical form of an address that need not be valid.
func canonAddress(s string) string { return lead.LowerKey(s) }
