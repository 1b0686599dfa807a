package replay

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxTextLength is in characters.
// https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide (read 2026-11-22)
const maxTextLength = 65536

// taken says whether HubSpot takes a value, and what it then holds in canonical form: one of canons. With maybe, being
// left out is right as well.
func (p *Property) taken(v value) (ok truth, canons []string) {
	text := strings.TrimSpace(v.text)
	if p == nil || p.ReadOnly {
		return no, nil
	}
	if v.null || text == "" {
		return yes, []string{""}
	}
	one := []string{p.canon(text)}
	switch p.Type {
	case "number":
		if plainNumber.MatchString(text) {
			return yes, one
		}
		if _, isNumber := rational(text); isNumber {
			return maybe, one
		}
		return no, nil
	case "bool":
		return takenBool(text)
	case "enumeration":
		return p.takenOptions(text)
	case "date", "datetime":
		return p.takenTime(text)
	}
	if utf8.RuneCountInString(v.text) > maxTextLength {
		return no, nil
	}
	return yes, one
}

// canon is the form in which two values of the property are equal: the canonical form of the contract, section 4.
func (p *Property) canon(text string) string {
	text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	if text == "" {
		return ""
	}
	switch p.Type {
	case "number":
		if n, ok := rational(text); ok {
			return n
		}
	case "enumeration":
		if p.FieldType == "checkbox" {
			return set(text)
		}
	case "date":
		if at, ok := clock(text); ok {
			return at.Format(time.DateOnly)
		}
	case "datetime":
		if at, ok := clock(text); ok {
			return strconv.FormatInt(at.UnixMilli(), 10)
		}
	}
	return text
}

var plainNumber = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,15})?$`)

var anyNumber = regexp.MustCompile(`^[+-]?[0-9.]{1,400}([eE][+-]?[0-9]{1,3})?$`)

// rational is the number as an exact fraction, so that 1, 1.0 and 1e0 are equal.
func rational(text string) (string, bool) {
	if !anyNumber.MatchString(text) {
		return "", false
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", false
	}
	return n.RatString(), true
}

func takenBool(text string) (truth, []string) {
	switch text {
	case "true", "false":
		return yes, []string{text}
	}
	switch strings.ToLower(text) {
	case "true", "yes", "1":
		return maybe, []string{"true"}
	case "false", "no", "0":
		return maybe, []string{"false"}
	}
	return no, nil
}

// takenOptions: the internal value is always taken; a label, or another case of either, may be.
func (p *Property) takenOptions(text string) (truth, []string) {
	if len(p.Options) == 0 {
		return maybe, []string{text} // HubSpot keeps the list elsewhere
	}
	if p.FieldType != "checkbox" {
		return p.takenOption(text)
	}
	ok := yes
	var parts []string
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		one, canons := p.takenOption(part)
		if one == no || len(canons) != 1 {
			return no, nil
		}
		ok = min(ok, one)
		parts = append(parts, canons[0])
	}
	return ok, []string{set(strings.Join(parts, ";"))}
}

func (p *Property) takenOption(text string) (truth, []string) {
	var canons []string
	for _, o := range p.Options {
		if o.Value == text {
			return yes, []string{text}
		}
		if (strings.EqualFold(o.Value, text) || strings.EqualFold(strings.TrimSpace(o.Label), text)) && !slices.Contains(canons, o.Value) {
			canons = append(canons, o.Value)
		}
	}
	if isBool, canon := takenBool(text); isBool != no && canons == nil &&
		slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == canon[0] }) {
		canons = canon
	}
	if canons == nil {
		return no, nil
	}
	return maybe, canons
}

// set sorts the parts of a multi-select, each once.
func set(text string) string {
	parts := strings.Split(text, ";")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	slices.Sort(parts)
	return strings.TrimPrefix(strings.Join(slices.Compact(parts), ";"), ";")
}

// takenTime: the recommended forms are always taken; other readable ones may be, in the way they read. A date with a
// time of day may not be shifted: it is left out.
func (p *Property) takenTime(text string) (truth, []string) {
	at, ok := clock(text)
	if !ok {
		return no, nil
	}
	one := []string{p.canon(text)}
	day, err := time.Parse(time.DateOnly, text)
	switch {
	case p.Type == "date" && err == nil && day.Year() > 0:
		return yes, one
	case p.Type == "date" && !at.Equal(at.Truncate(24*time.Hour)):
		local := at.Format(time.DateOnly) // midnight of its own zone
		return maybe, []string{local}
	case p.Type == "datetime" && len(text) == len("2026-11-22T08:00:00Z") && strings.HasSuffix(text, "Z"):
		return yes, one
	}
	return maybe, one
}

// clock reads ISO 8601 and milliseconds; what has no zone is UTC.
func clock(text string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > -1<<53 && ms < 1<<53 {
		return time.UnixMilli(ms).UTC(), true
	}
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
