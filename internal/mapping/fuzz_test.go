package mapping

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// What HubSpot takes, written from its own table and not from the code
// (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide, read 2026-11-22).
var (
	numberForm = regexp.MustCompile(`^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)
	dayForm    = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	codeForm   = regexp.MustCompile(`^[A-Z_]+$`)
	setForm    = regexp.MustCompile(`^(go|law|sql)(;(go|law|sql))*$`)
)

// accepts says whether HubSpot would take the text for the property, and why not.
func accepts(property, send string) string {
	if send == "" {
		return "" // clears
	}
	switch property {
	case "age":
		if !numberForm.MatchString(send) {
			return "no number"
		}
	case "vip", "agreed":
		if send != "true" && send != "false" {
			return "no boolean"
		}
	case "plan":
		if !slices.Contains([]string{"free", "pro_2", "t1", "t2", "x", "nine"}, send) {
			return "no option"
		}
	case "topics":
		if !setForm.MatchString(send) {
			return "no set of options"
		}
	case "birthday":
		if _, err := time.Parse(time.DateOnly, send); err != nil || !dayForm.MatchString(send) {
			return "no day"
		}
	case "trial_end":
		if _, err := strconv.ParseInt(send, 10, 64); err != nil {
			return "no milliseconds"
		}
	case "firstname", "phone":
		if utf8.RuneCountInString(send) > 65536 {
			return "too long"
		}
	case "createdate", "score", "old", "nowhere":
		return "may not be written"
	}
	return ""
}

// meaning is what a number or a point in time is worth, however it is written; nil when it is none.
func meaning(property, s string) any {
	s = strings.TrimSpace(s)
	switch property {
	case "age":
		if !numberForm.MatchString(s) || len(s) > maxNumberLength {
			return nil
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 4 {
			return nil // a power that big.Rat would build in full
		}
		if r, ok := new(big.Rat).SetString(s); ok {
			return r.RatString()
		}
	case "trial_end":
		if at, err := time.Parse(time.RFC3339, s); err == nil {
			return at.UnixMilli()
		}
		if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
			return ms
		}
	}
	return nil
}

// FuzzMapValue gives any value to a property of every type: what is sent is what HubSpot takes and means the same; what
// is left out has a code; nothing is both, and no name or code holds a piece of the value.
func FuzzMapValue(f *testing.F) {
	for _, s := range []string{"", " ", "Ada", "1", "-0.0", "1e3", ".5", "007", "1,000", "0x10", "NaN", "٣", "1e999999999", "true", "Yes", "maybe", "free", "FREE plan",
		"Twin", "go;sql", "; SQL ;Go", "Law; tax", "go;Law; tax", ";", "1815-12-10", "1990-01-01T00:00:00Z", "1990-01-01T10:00:00Z", "631152000000", "2024-02-29",
		"2026-02-29", "0000-01-01", "9999-12-31T23:59:59Z", "2026-11-22T08:00:00.123+05:45", "1795334400", "1795334400000", "-1", "\x00", "\xff", "\u202e🦜",
		"<script>alert(1)</script>", "'; DROP TABLE leads; --", "1e308", "1e-308", "2016-12-31T23:59:60Z"} {
		for kind := range 4 {
			f.Add(uint8(kind), s)
		}
	}
	table := New(nil, "").With(definitions())
	f.Fuzz(func(t *testing.T, kind uint8, s string) {
		raw := Raw{Kind: Kind(kind % 4), Text: s}
		switch raw.Kind { // no other text comes out of ParseProperties
		case Null:
			raw.Text = ""
		case Number:
			if !jsonNumber.MatchString(s) {
				return
			}
		case Bool:
			if s != "true" && s != "false" {
				return
			}
		}
		for _, property := range []string{"firstname", "phone", "age", "vip", "agreed", "plan", "topics", "owner", "birthday", "trial_end", "createdate", "score", "old", "nowhere"} {
			m := table.Map(map[string]Raw{property: raw})
			if len(m.Values)+len(m.LeftOut) != 1 || m.NotMapped != 0 || m.Address != nil {
				t.Fatalf("%s: %q came to %+v", property, s, m)
			}
			if len(m.LeftOut) == 1 {
				if l := m.LeftOut[0]; l.Property != property || !codeForm.MatchString(l.Code) {
					t.Fatalf("%s: left out as %+v", property, l)
				}
				continue
			}
			v := m.Values[0]
			if why := accepts(property, v.Send); why != "" {
				t.Fatalf("%s: %q is sent as %q: %s", property, s, v.Send, why)
			}
			if blank := strings.TrimSpace(raw.Text) == ""; blank != (v.Send == "") && strings.Trim(raw.Text, "; \t\r\n\v\f\u0085\u00a0") != "" {
				t.Fatalf("%s: %q is sent as %q", property, s, v.Send)
			}
			if want := meaning(property, raw.Text); want != nil && v.Send != "" && meaning(property, v.Send) != want {
				t.Fatalf("%s: %q is sent as %q, which is another value", property, s, v.Send)
			}
			if canon := table.Canon(property, v.Send); canon != v.Canon || table.Canon(property, canon) != canon {
				t.Fatalf("%s: %q: Canon gives %q, the value says %q", property, v.Send, canon, v.Canon)
			}
		}
	})
}
