package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/outbox"
)

// Row is one lead given by hand. An empty text is absent.
type Row struct {
	LeadID, Type, Email string
	// Set are properties as "name=value", in their order. Behind the first = everything is the value, an empty one too; \N
	// alone is null.
	Set []string
}

// Entry checks the row as Read checks a record. It has no event id: who types a lead twice means it twice.
func (r Row) Entry(opt Options) (outbox.Entry, error) {
	in := raw{leadID: &r.LeadID, eventType: &r.Type}
	if r.Email != "" {
		in.email = &r.Email
	}
	var names []string
	var props object
	for _, pair := range r.Set {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok || name == "":
			return outbox.Entry{}, errors.New("a property is not of the form name=value")
		case slices.Contains(names, name):
			return outbox.Entry{}, fmt.Errorf("property %q is set twice", name)
		}
		names = append(names, name)
		if value == null {
			props.add(name, nil)
		} else {
			props.add(name, &value)
		}
	}
	text := props.String()
	in.properties = &text
	for _, s := range append(r.Set, r.LeadID, r.Type, r.Email) {
		if err := validText([]byte(s)); err != nil {
			return outbox.Entry{}, err
		}
	}
	e, err := in.entry(opt)
	e.EventID = nil
	return e, err
}
