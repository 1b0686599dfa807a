package hubspot

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"leadsync/internal/lead"
)

// checkJSON holds every 2xx answer to the one thing all of them are: a JSON object.
func checkJSON(body []byte) error {
	switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
	case len(trimmed) == 0:
		return errEmptyBody
	case trimmed[0] != '{':
		return errGarbled
	}
	return nil
}

// isHTML tells a web page, which an edge server or a proxy writes, from an answer of the API.
// https://github.com/HubSpot/hubspot-php/issues/341 shows such pages on 502, 520 and 524 (read 2026-11-22).
func isHTML(h http.Header, body []byte) bool {
	if bytes.HasPrefix(bytes.TrimLeft(bytes.ToLower([]byte(h.Get("Content-Type"))), " "), []byte("text/html")) {
		return true
	}
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n\ufeff"), []byte("<"))
}

// wireBatch is a batch answer. Errors stay raw until the results are safe: a shape we do not know in them must not cost
// the results.
type wireBatch[T any] struct {
	Results []T               `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

// batch reads a batch answer strictly first, which is fast, and loosely when a type is not as published.
func (f filter) batch(body []byte) (*BatchResult, error) {
	var strict wireBatch[Contact]
	result := &BatchResult{}
	if err := json.Unmarshal(body, &strict); err == nil {
		result.Results = strict.Results
		for i := range result.Results {
			result.Results[i].sortHistory()
		}
		result.Errors = f.batchErrors(strict.Errors)
		return result, nil
	}
	if !json.Valid(body) {
		return nil, errGarbled
	}
	var loose wireBatch[looseContact]
	// What has another type than we expect is left out; results must still be a list of objects.
	_ = json.Unmarshal(body, &loose)
	for i := range loose.Results {
		if l := &loose.Results[i]; l.ID != "" || l.TraceID != "" || len(l.Properties) > 0 {
			result.Results = append(result.Results, loose.Results[i].contact())
		}
	}
	result.Errors = f.batchErrors(loose.Errors)
	return result, nil
}

func decodeContact(body []byte) (*Contact, error) {
	var strict Contact
	if err := json.Unmarshal(body, &strict); err == nil && strict.ID != "" {
		return &strict, nil
	}
	var loose looseContact
	if !json.Valid(body) {
		return nil, errGarbled
	}
	if _ = json.Unmarshal(body, &loose); loose.ID == "" {
		return nil, errGarbled
	}
	contact := loose.contact()
	return &contact, nil
}

// looseContact takes numbers and booleans where strings are published, and drops a time that is none.
type looseContact struct {
	ID         looseText             `json:"id"`
	Properties map[string]*looseText `json:"properties"`
	CreatedAt  looseTime             `json:"createdAt"`
	UpdatedAt  looseTime             `json:"updatedAt"`
	Archived   looseText             `json:"archived"`
	ArchivedAt looseTime             `json:"archivedAt"`
	New        looseText             `json:"new"`
	TraceID    looseText             `json:"objectWriteTraceId"`

	History map[string]looseList[looseRevision] `json:"propertiesWithHistory"`
}

type looseRevision struct {
	Value      looseText `json:"value"`
	At         looseTime `json:"timestamp"`
	SourceType looseText `json:"sourceType"`
	SourceID   looseText `json:"sourceId"`
}

func (l *looseContact) contact() Contact {
	c := Contact{
		ID:         lead.ContactID(l.ID),
		CreatedAt:  time.Time(l.CreatedAt),
		UpdatedAt:  time.Time(l.UpdatedAt),
		ArchivedAt: time.Time(l.ArchivedAt),
		Archived:   l.Archived == "true",
		New:        l.New == "true",
		TraceID:    string(l.TraceID),
	}
	if l.Properties != nil {
		c.Properties = make(map[string]*string, len(l.Properties))
		for name, value := range l.Properties {
			c.Properties[name] = (*string)(value)
		}
	}
	if l.History != nil {
		c.History = make(map[string][]Revision, len(l.History))
		for name, list := range l.History {
			for _, r := range list {
				c.History[name] = append(c.History[name], Revision{Value: string(r.Value), At: time.Time(r.At), SourceType: string(r.SourceType), SourceID: string(r.SourceID)})
			}
		}
	}
	c.sortHistory()
	return c
}

// sortHistory puts the newest first, which HubSpot was seen to do and does not promise.
func (c *Contact) sortHistory() {
	for _, list := range c.History {
		slices.SortStableFunc(list, func(a, b Revision) int { return b.At.Compare(a.At) })
	}
}

// looseText takes a string, a number or a boolean as text; an object or a list is empty. It never fails.
type looseText string

func (t *looseText) UnmarshalJSON(raw []byte) error {
	*t = ""
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			*t = looseText(s)
		}
	default:
		*t = looseText(raw)
	}
	return nil
}

// looseTime takes a time in RFC 3339, or in milliseconds as HubSpot's older interfaces write it; anything else is zero.
// It never fails.
type looseTime time.Time

func (t *looseTime) UnmarshalJSON(raw []byte) error {
	*t = looseTime{}
	var text looseText
	_ = text.UnmarshalJSON(raw)
	if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
		*t = looseTime(at)
	} else if ms, err := strconv.ParseInt(string(text), 10, 64); err == nil && ms > 0 {
		*t = looseTime(time.UnixMilli(ms).UTC())
	}
	return nil
}

// looseTexts takes a list of looseText, or one alone. It never fails.
type looseTexts []string

func (t *looseTexts) UnmarshalJSON(raw []byte) error {
	*t = nil
	var list []looseText
	if len(raw) == 0 || raw[0] != '[' {
		list = make([]looseText, 1)
		_ = list[0].UnmarshalJSON(raw)
	} else if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for _, one := range list {
		if one != "" {
			*t = append(*t, string(one))
		}
	}
	return nil
}

func decodeAccount(body []byte) (Account, error) {
	var wire struct {
		PortalID    looseText `json:"portalId"`
		TimeZone    looseText `json:"timeZone"`
		AccountType looseText `json:"accountType"`
		UIDomain    looseText `json:"uiDomain"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return Account{}, errGarbled
	}
	id, err := strconv.ParseInt(string(wire.PortalID), 10, 64)
	if err != nil || id <= 0 {
		return Account{}, errGarbled
	}
	return Account{PortalID: id, TimeZone: string(wire.TimeZone), Type: string(wire.AccountType), UIDomain: string(wire.UIDomain)}, nil
}

func decodeProperties(body []byte) ([]Property, error) {
	var wire struct {
		Results *[]struct {
			Name      string `json:"name"`
			Label     string `json:"label"`
			Type      string `json:"type"`
			FieldType string `json:"fieldType"`
			Options   []struct {
				Label string    `json:"label"`
				Value looseText `json:"value"`
			} `json:"options"`
			ModificationMetadata struct {
				ReadOnlyValue bool `json:"readOnlyValue"`
			} `json:"modificationMetadata"`
			Calculated     bool `json:"calculated"`
			HasUniqueValue bool `json:"hasUniqueValue"`
			Archived       bool `json:"archived"`
		} `json:"results"`
	}
	// Without a whole list of definitions nothing may be checked against it: unlike elsewhere, a wrong type is an error.
	if err := json.Unmarshal(body, &wire); err != nil || wire.Results == nil {
		return nil, errGarbled
	}
	properties := make([]Property, 0, len(*wire.Results))
	for _, w := range *wire.Results {
		p := Property{Name: w.Name, Label: w.Label, Type: w.Type, FieldType: w.FieldType,
			ReadOnlyValue: w.ModificationMetadata.ReadOnlyValue, Calculated: w.Calculated,
			HasUniqueValue: w.HasUniqueValue, Archived: w.Archived}
		for _, o := range w.Options {
			p.Options = append(p.Options, Option{Label: o.Label, Value: string(o.Value)})
		}
		properties = append(properties, p)
	}
	return properties, nil
}
