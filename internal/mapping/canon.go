package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Canon returns the form in which two values of a contact property are compared, for what we send and for what HubSpot
// answers. It is idempotent and never fails: a value its type cannot read compares as text. The empty string is an
// unset property; null and cleared values are that. Forms by type: number as plain decimal (1 = 1.0 = 1e0), bool true
// or false, date YYYY-MM-DD, datetime in milliseconds, enumeration by internal value, multi-select as a sorted set, the
// address trimmed and in lower case, text with line feeds only and without white space at its ends. Without definitions
// all but the address is text.
func (t *Table) Canon(property, value string) string {
	if property == AddressProperty {
		return canonAddress(value)
	}
	text := canonText(value)
	d := t.defs[property]
	if d == nil || text == "" {
		return text
	}
	var c string
	ok := false
	switch d.kind {
	case kindNumber:
		c, ok = parseNumber(text)
	case kindBool:
		c, ok = parseBool(text)
	case kindOption:
		if c, ok = d.option(text); !ok && d.hasBool {
			c, ok = parseBool(text)
		}
	case kindOptions:
		return d.canonSet(text)
	case kindDate:
		c, ok = parseDay(text)
	case kindTime:
		c, ok = parseTime(text, false)
	}
	if ok {
		return c
	}
	return text
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func canonText(s string) string {
	if strings.Contains(s, "\r") {
		s = lineEnds.Replace(s)
	}
	return strings.TrimSpace(s)
}

// canonSet returns the options of s by internal value where they are known, sorted, each once.
func (d *definition) canonSet(s string) string {
	parts := strings.Split(s, ";")
	for i, p := range parts {
		p = canonText(p)
		if v, ok := d.option(p); ok {
			p = v
		}
		parts[i] = p
	}
	return joinSet(parts)
}

// optionSet is canonSet for a value to send: every part must be an option. A label may hold a ';' of its own.
func (d *definition) optionSet(s string) (string, bool) {
	var out []string
	for p := range strings.SplitSeq(s, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		v, ok := d.option(p)
		if !ok {
			return d.option(s)
		}
		out = append(out, v)
	}
	return joinSet(out), true
}

func joinSet(parts []string) string {
	slices.Sort(parts)
	parts = slices.Compact(parts)
	return strings.TrimPrefix(strings.Join(parts, ";"), ";") // the empty part sorts first
}

// parseBool reads the words Map documents.
func parseBool(s string) (string, bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "1":
		return "true", true
	case "false", "no", "0":
		return "false", true
	}
	return "", false
}

// Bounds of a number: those of a double, which keeps a text like 1e999999999 from becoming a gigabyte of digits.
const (
	maxExponent     = 308
	maxNumberLength = 1000
)

// parseNumber returns s as a plain decimal: no exponent, no plus, no zeros that say nothing, no negative zero.
func parseNumber(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxNumberLength {
		return "", false
	}
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		mantissa = s[:i]
		if exp, err = strconv.Atoi(s[i+1:]); err != nil || exp > maxExponent || exp < -maxExponent {
			return "", false
		}
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	point := len(whole) + exp // where the decimal point stands in digits
	switch {
	case point < 0:
		digits = strings.Repeat("0", -point) + digits
		point = 0
	case point > len(digits):
		digits += strings.Repeat("0", point-len(digits))
	}
	whole, fraction = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if whole == "" {
		whole = "0"
	}
	out := whole
	if fraction != "" {
		out += "." + fraction
	}
	if negative && out != "0" {
		out = "-" + out
	}
	return out, len(out) <= maxNumberLength
}

const day = "2006-01-02"

// timeLayouts are the ISO 8601 forms databases and programs write. A fraction after the seconds is read by all of them.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07",
	"2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", day,
}

func parseClock(s string) (time.Time, bool) {
	if len(s) < len(day) || s[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Bounds of a time in milliseconds: year 1 to year 9999. A bare number nearer to the epoch than secondsBelow (March
// 1973) is taken for seconds written by mistake, which HubSpot would store as a day in January 1970.
const (
	minMillis    = -62135596800000
	maxMillis    = 253402300799999
	secondsBelow = 100_000_000_000
	dayMillis    = 24 * 60 * 60 * 1000
)

func parseMillis(s string) (int64, bool) {
	n, ok := parseNumber(s)
	if !ok {
		return 0, false
	}
	ms, err := strconv.ParseInt(n, 10, 64)
	return ms, err == nil && ms >= minMillis && ms <= maxMillis
}

// parseDay reads a day. A point in time must be a midnight: of its own zone when written as a clock time, of UTC as a
// number.
func parseDay(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if at, ok := parseClock(s); ok {
		h, m, sec := at.Clock()
		return at.Format(day), h == 0 && m == 0 && sec == 0 && at.Nanosecond() == 0
	}
	ms, ok := parseMillis(s)
	if !ok || ms%dayMillis != 0 {
		return "", false
	}
	return time.UnixMilli(ms).UTC().Format(day), true
}

// parseTime reads a point in time as milliseconds. strict refuses numbers that look like seconds; values that HubSpot
// shows or that we made ourselves are read without it.
func parseTime(s string, strict bool) (string, bool) {
	s = strings.TrimSpace(s)
	if at, ok := parseClock(s); ok {
		ms := at.UnixMilli()
		return strconv.FormatInt(ms, 10), ms >= minMillis && ms <= maxMillis
	}
	ms, ok := parseMillis(s)
	if !ok || strict && ms > -secondsBelow && ms < secondsBelow {
		return "", false
	}
	return strconv.FormatInt(ms, 10), true
}
