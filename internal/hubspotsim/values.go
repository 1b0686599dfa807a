package hubspotsim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Codes of refused values. https://developers.hubspot.com/docs/api-reference/error-handling and the captures named
// there.
const (
	codeUnknown  = "PROPERTY_DOESNT_EXIST" // https://developers.hubspot.com/docs/guides/crm/using-object-apis
	codeReadOnly = "READ_ONLY_VALUE"       // github.com/B0yko/booking-truth, captures
	codeOption   = "INVALID_OPTION"        // https://developers.hubspot.com/changelog/upcoming-increased-validation-for-contact-updates-made-through-apis
	codeLong     = "INVALID_LONG"          // text in a date or datetime; in a number on the v3 paths
	codeInteger  = "INVALID_INTEGER"       // https://developers.hubspot.com/docs/api-reference/error-handling
	codeDate     = "INVALID_DATE"          // not midnight; accepted and normalised since 2026-09
	codeEmail    = "INVALID_EMAIL"         // https://github.com/Atlas-Authority/marketing-automation/issues/174
	codeRequired = "MISSING_REQUIRED_PROPERTY"
	codeWhen     = "MISSING_CONDITIONAL_REQUIRED_PROPERTY" // both: https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement
	codeTaken    = "CONFLICTING_UNIQUE_VALUE"              // the text has "already has that value"; the code is not documented
	codeTooLong  = "VALUE_TOO_LONG"                        // not documented
)

// maxText is the longest text value. https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
const maxText = 65_536

// bad is one refused value.
type bad struct{ name, code, message string }

// warning is a value that was accepted in another form.
type warning struct{ name, raw, normal string }

// setting is one value ready to be stored.
type setting struct {
	def   *property
	value string
}

// coerce turns a value as sent into the one to store.
func (s *Sim) coerce(def *property, c *call, have, v string) (string, *warning, *bad) {
	refuse := func(code, message string) (string, *warning, *bad) {
		return "", nil, &bad{def.Name, code, message}
	}
	if v == "" {
		return "", nil, nil // clears, https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
	}
	if def.Name == "email" {
		a := normalAddress(v)
		if !validAddress(a) {
			return refuse(codeEmail, "Email address "+v+" is invalid")
		}
		return a, nil, nil
	}
	switch def.Type {
	case "number":
		// Digits, one full stop, scientific allowed, no thousands commas.
		n := strings.TrimSpace(v)
		if _, err := strconv.ParseFloat(n, 64); err != nil || strings.Trim(n, "0123456789+-.eE") != "" {
			if c.api == apiV3 {
				return refuse(codeLong, v+" was not a valid long.")
			}
			return refuse(codeInteger, v+" was not a valid number")
		}
		return n, nil, nil
	case "bool":
		if b := strings.TrimSpace(v); b == "true" || b == "false" {
			return b, nil, nil
		}
		return refuse(codeOption, v+" was not one of the allowed options: [true, false]")
	case "enumeration":
		return s.coerceOption(def, have, v)
	case "date", "datetime":
		return coerceTime(def, c.api, v, !s.quirks.NoWarnings)
	}
	if len(v) > maxText && utf8.RuneCountInString(v) > maxText {
		return refuse(codeTooLong, "Property \""+def.Name+"\" is longer than "+itoa(maxText)+" characters")
	}
	if s.quirks.RewritesValues {
		v = strings.TrimSpace(v)
	}
	return v, nil, nil
}

// coerceOption checks an enumeration. The value must match an option exactly, but space around it is still accepted:
// https://developers.hubspot.com/changelog/breaking-change-enhanced-validations-for-non-string-properties-in-hubspots-crmobject-apis
// In a multi-select, "a;b" replaces and ";a;b" appends
// (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide).
func (s *Sim) coerceOption(def *property, have, v string) (string, *warning, *bad) {
	if def.FieldType != "checkbox" {
		v = strings.TrimSpace(v)
		if _, ok := def.options[v]; !ok {
			return "", nil, &bad{def.Name, codeOption, v + " was not one of the allowed options: " + optionList(def)}
		}
		return v, nil, nil
	}
	var chosen []string
	if strings.HasPrefix(v, ";") && have != "" {
		chosen = strings.Split(have, ";")
	}
	for one := range strings.SplitSeq(v, ";") {
		one = strings.TrimSpace(one)
		if one == "" || slices.Contains(chosen, one) {
			continue
		}
		if _, ok := def.options[one]; !ok {
			return "", nil, &bad{def.Name, codeOption, one + " was not one of the allowed options: " + optionList(def)}
		}
		chosen = append(chosen, one)
	}
	if s.quirks.RewritesValues {
		slices.SortFunc(chosen, func(a, b string) int { return cmp.Compare(def.options[a], def.options[b]) })
	}
	return strings.Join(chosen, ";"), nil, nil
}

func optionList(def *property) string {
	names := make([]string, len(def.Options))
	for i, o := range def.Options {
		names[i] = o.Value
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// coerceTime checks date and datetime: a date as YYYY-MM-DD or milliseconds at midnight UTC, a datetime as ISO 8601 or
// milliseconds (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide). A date with a time of day
// is refused before 2026-09 and normalised with a warning since
// (https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement).
func coerceTime(def *property, api api, v string, warn bool) (string, *warning, *bad) {
	t, ok := parseTime(strings.TrimSpace(v))
	if !ok {
		return "", nil, &bad{def.Name, codeLong, v + " was not a valid long."}
	}
	if def.Type == "datetime" {
		return isoTime(t.UnixMilli()), nil, nil
	}
	day := t.Truncate(24 * time.Hour)
	if day.Equal(t) {
		return day.Format(time.DateOnly), nil, nil
	}
	if api != api202609 {
		message := fmt.Sprintf("%d is at %d:%02d:%02d.%d UTC, not midnight!", t.UnixMilli(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1e6)
		return "", nil, &bad{def.Name, codeDate, message}
	}
	var w *warning
	if warn {
		w = &warning{def.Name, v, strconv.FormatInt(day.UnixMilli(), 10)}
	}
	return day.Format(time.DateOnly), w, nil
}

func parseTime(v string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
