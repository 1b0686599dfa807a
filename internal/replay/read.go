package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// event is a row as the contract reads it, before anybody asks how it ended.
type event struct {
	*Row
	lead      string
	address   string           // "" when the row carries none
	values    map[string]value // by property, the address not among them
	faults    []string         // dead reasons that the row itself explains
	broken    bool             // one of the faults is beyond doubt: the row must be dead
	duplicate bool
	kind      string // event type, "" when it is none of the contract
}

// value is one value of the properties column.
type value struct {
	text string // as it goes to HubSpot; "" clears
	null bool
}

const (
	maxProperties = 1 << 20
	maxLeadID     = 255
)

// The event types of the contract that do more than carry values.
const (
	unsubscribed = "lead.unsubscribed"
	resubscribed = "lead.resubscribed"
	deleted      = "lead.deleted"
	erased       = "lead.erased"
)

// types are the event types of the contract.
var types = map[string]bool{"lead.registered": true, "lead.updated": true, unsubscribed: true, resubscribed: true, deleted: true, erased: true}

// read judges a row by itself and by the rows before it. Call it in id order.
func (w *world) read(r *Row) event {
	e := event{Row: r}
	if r.EventID != nil && *r.EventID != "" {
		e.duplicate = w.events[*r.EventID]
		w.events[*r.EventID] = true
	}
	switch {
	case r.LeadID == nil || *r.LeadID == "":
		e.fault(true, "missing_lead_id")
	case utf8.RuneCountInString(*r.LeadID) > maxLeadID:
		e.fault(true, "lead_id_too_long")
	case !plainText(*r.LeadID):
		e.fault(true, "invalid_text")
	default:
		e.lead = *r.LeadID
		if len(e.lead) > maxLeadID {
			e.fault(false, "lead_id_too_long") // the contract does not say of what there may be 255
		}
	}
	if r.EventType != nil && types[*r.EventType] {
		e.kind = *r.EventType
	} else {
		e.fault(true, "unknown_event_type")
	}
	e.readProperties()
	e.readAddress()
	if e.address != "" && e.lead != "" {
		if w.users[e.address] == nil {
			w.users[e.address] = map[string]bool{}
		}
		w.users[e.address][e.lead] = true
		w.person(e.lead).former[e.address] = true
	}
	if e.kind == erased && e.lead != "" && !e.broken && !e.duplicate {
		w.person(e.lead).erase = true
	}
	return e
}

func (e *event) fault(sure bool, reason string) {
	e.faults = append(e.faults, reason)
	e.broken = e.broken || sure
}

var (
	errNested    = errors.New("nested")
	errNotObject = errors.New("not an object")
	errBroken    = errors.New("broken")
)

func (e *event) readProperties() {
	if e.Properties == nil || *e.Properties == "" {
		return
	}
	text := *e.Properties
	switch {
	case len(text) > maxProperties:
		e.fault(true, "too_large")
		return
	case !plainText(text):
		e.fault(true, "invalid_text")
		return
	}
	values, err := parseObject(text)
	switch err {
	case nil:
	case errNested:
		e.fault(true, "nested_value")
		return
	case errNotObject:
		e.fault(true, "not_an_object")
		return
	default:
		e.fault(true, "invalid_json")
		return
	}
	e.values = values
	for name, v := range values {
		// Half a surrogate pair decodes to U+FFFD, and \u0000 to NUL: text that no database takes.
		if strings.ContainsRune(name+v.text, utf8.RuneError) && strings.Contains(text, `\u`) || strings.ContainsRune(name+v.text, 0) {
			e.fault(false, "invalid_text")
			return
		}
	}
}

// parseObject reads exactly one flat JSON object; of a repeated name the last value counts.
func parseObject(text string) (map[string]value, error) {
	if !json.Valid([]byte(text)) {
		return nil, errBroken
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	values := map[string]value{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errBroken
		}
		t, err := d.Token()
		if err != nil {
			return nil, errBroken
		}
		v := value{}
		switch t := t.(type) {
		case nil:
			v.null = true
		case string:
			v.text = t
		case json.Number:
			v.text = t.String()
		case bool:
			v.text = "false"
			if t {
				v.text = "true"
			}
		default:
			return nil, errNested
		}
		values[name.(string)] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, errBroken
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errBroken
	}
	return values, nil
}

// readAddress takes the address of the email column, else of a property of that name.
func (e *event) readAddress() {
	text := ""
	if e.Email != nil {
		text = *e.Email
	}
	if fold(text) == "" {
		text = e.values["email"].text
	}
	delete(e.values, "email")
	address := fold(text)
	if address == "" {
		return
	}
	e.address = address
	if !plainAddress(address) {
		e.fault(hopelessAddress(address), "invalid_email")
	}
}

// fold is the form in which addresses are compared: trimmed and in lower case.
func fold(address string) string {
	return strings.ToLower(strings.TrimFunc(address, func(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) }))
}

var dotAtom = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$")

// plainAddress says that nobody can doubt the address.
func plainAddress(a string) bool {
	local, domain, _ := strings.Cut(a, "@")
	long := slices.ContainsFunc(strings.Split(domain, "."), func(label string) bool { return len(label) > 63 })
	return dotAtom.MatchString(a) && len(local) <= 64 && len(a) <= 254 && !long
}

// hopelessAddress says that nobody can take it for one.
func hopelessAddress(a string) bool {
	local, domain, ok := strings.Cut(a, "@")
	return !ok || local == "" || strings.Contains(domain, "@") || !strings.Contains(domain, ".") ||
		strings.ContainsFunc(a, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

func plainText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
