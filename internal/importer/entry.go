package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// columnNames are the outbox columns a file may carry, beside the properties.
var columnNames = []string{"lead_id", "event_type", "email", "event_id", "portal", "occurred_at", "lane"}

// portalName is what a configuration may have for its portal: rows of any other would wait for ever.
var portalName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// raw is a record as read; nil is absent or null.
type raw struct {
	leadID, eventType, email, eventID, portal, occurredAt, lane *string
	properties                                                  *string
}

// column returns where a column of the outbox goes; nil for any other name.
func (r *raw) column(name string) **string {
	switch name {
	case "lead_id":
		return &r.leadID
	case "event_type":
		return &r.eventType
	case "email":
		return &r.email
	case "event_id":
		return &r.eventID
	case "portal":
		return &r.portal
	case "occurred_at":
		return &r.occurredAt
	case "lane":
		return &r.lane
	}
	return nil
}

// entry checks a record and fills in the defaults. What it refuses is what could only end dead or lie in a portal
// nobody serves.
func (r *raw) entry(opt Options) (outbox.Entry, error) {
	e := outbox.Entry{Portal: valueOr(opt.Portal, "default"), State: outbox.Pending, Lane: outbox.Backfill, LeadID: r.leadID, Email: r.email}
	if opt.Live {
		e.Lane = outbox.Live
	}
	switch {
	case r.leadID == nil || *r.leadID == "":
		return e, errors.New("no lead_id")
	case len(*r.leadID) > lead.MaxIDLength:
		return e, fmt.Errorf("lead_id is longer than %d bytes", lead.MaxIDLength)
	}
	kind := outbox.Registered
	if has(r.eventType) {
		kind = outbox.Type(*r.eventType)
	}
	if !kind.Known() {
		return e, errors.New("unknown event_type: lead.registered, lead.updated, lead.unsubscribed, lead.resubscribed, lead.deleted or lead.erased")
	}
	text := string(kind)
	e.Type = &text
	if has(r.lane) {
		e.Lane = outbox.Lane(*r.lane)
	}
	if e.Lane != outbox.Live && e.Lane != outbox.Backfill {
		return e, errors.New("unknown lane: live or backfill")
	}
	if has(r.portal) {
		e.Portal = *r.portal
	}
	if opt.KnownPortal != nil && !opt.KnownPortal(e.Portal) {
		return e, errors.New("unknown portal")
	}
	if !portalName.MatchString(e.Portal) {
		return e, errors.New("no daemon can serve such a portal: a name is 1 to 64 of a-z, A-Z, 0-9, dot, dash and underscore")
	}
	if has(r.occurredAt) {
		at, ok := parseTime(*r.occurredAt)
		if !ok {
			return e, errors.New("occurred_at is neither milliseconds nor RFC 3339, as in 2026-11-22T08:00:00Z")
		}
		e.OccurredAt = &at
	}
	properties := "{}"
	if r.properties != nil {
		properties = *r.properties
	}
	if len(properties) > outbox.MaxPropertiesBytes {
		return e, fmt.Errorf("properties are larger than %d MiB", outbox.MaxPropertiesBytes>>20)
	}
	fields, err := mapping.ParseProperties([]byte(properties))
	if err != nil {
		return e, err
	}
	e.Properties, e.PropertiesBytes = &properties, int64(len(properties))
	id := eventID(&e, fields)
	if has(r.eventID) {
		id = *r.eventID
	}
	e.EventID = &id
	return e, nil
}

// eventID names a record by its content, so that a broken import can be run again: "import:" and 16 hex of SHA-256 over
// portal, lead_id, event_type, email and occurred_at in milliseconds, then name, kind and text of every property in the
// order of the names. Each part goes in as its length and its bytes (-1 for null). The lane, the order of columns and
// the spelling of the JSON do not count; the same record twice in a file is one event.
func eventID(e *outbox.Entry, fields map[string]mapping.Raw) string {
	var b []byte
	part := func(s *string) {
		if s == nil {
			b = binary.AppendVarint(b, -1)
			return
		}
		b = append(binary.AppendVarint(b, int64(len(*s))), *s...)
	}
	var at *string
	if e.OccurredAt != nil {
		s := strconv.FormatInt(*e.OccurredAt, 10)
		at = &s
	}
	for _, s := range []*string{&e.Portal, e.LeadID, e.Type, e.Email, at} {
		part(s)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v := fields[name]
		part(&name)
		b = append(b, byte(v.Kind))
		part(&v.Text)
	}
	sum := sha256.Sum256(b)
	return "import:" + hex.EncodeToString(sum[:8])
}

// parseTime reads unix milliseconds or RFC 3339.
func parseTime(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ms, true
	}
	at, err := time.Parse(time.RFC3339, s)
	return at.UnixMilli(), err == nil
}

func has(s *string) bool { return s != nil && *s != "" }

func valueOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// object writes properties as a JSON object, in the order in which they are added; <, > and & stay readable. The zero
// value is ready.
type object struct{ text bytes.Buffer }

// add adds a property; nil is null.
func (o *object) add(name string, value *string) {
	if o.text.Len() == 0 {
		o.text.WriteByte('{')
	} else {
		o.text.WriteByte(',')
	}
	e := json.NewEncoder(&o.text)
	e.SetEscapeHTML(false)
	o.encode(e, name)
	o.text.WriteByte(':')
	o.encode(e, value)
}

// encode writes without the end of the line that the encoder adds.
func (o *object) encode(e *json.Encoder, value any) {
	if err := e.Encode(value); err != nil {
		panic(err) // a text always marshals
	}
	o.text.Truncate(o.text.Len() - 1)
}

// String closes the object.
func (o *object) String() string {
	if o.text.Len() == 0 {
		return "{}"
	}
	return o.text.String() + "}"
}
