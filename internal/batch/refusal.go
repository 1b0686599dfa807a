package batch

import (
	"errors"
	"strconv"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
)

// Refusal is what HubSpot said about an input it did not take: codes and property names, never its message text.
type Refusal struct {
	Category      string
	Status        int
	CorrelationID string
	Details       []hubspot.Detail
	Existing      lead.ContactID // the contact in the way, when named
}

// Key tells two refusals apart: code and property.
type Key struct{ Code, Property string }

// Key is never the zero Key.
func (r Refusal) Key() Key {
	for _, d := range r.Details {
		k := Key{Code: d.Code}
		if len(d.Properties) > 0 {
			k.Property = d.Properties[0]
		}
		if k != (Key{}) {
			return k
		}
	}
	if r.Category != "" {
		return Key{Code: r.Category}
	}
	return Key{Code: strconv.Itoa(r.Status)}
}

// RefusalOf is what an error of the client says; zero when HubSpot said nothing.
func RefusalOf(err error) Refusal {
	e, ok := errors.AsType[*hubspot.Error](err)
	if !ok {
		return Refusal{}
	}
	return Refusal{Category: e.Category, Status: e.Status, CorrelationID: e.CorrelationID, Details: e.Details, Existing: e.ExistingID}
}
