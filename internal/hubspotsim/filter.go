package hubspotsim

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filter is one condition as sent.
type filter struct {
	Name     string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    scalar   `json:"value"`
	High     scalar   `json:"highValue"`
	Values   []scalar `json:"values"`
}

// condition is a filter made ready for many contacts. low and high are the bounds of a property that has a number.
type condition struct {
	filter
	def       *property // nil = unknown: nothing holds
	low, high int64
}

func (c *condition) isID() bool { return c.def != nil && c.def.Name == "hs_object_id" }

// compile reads a filter; ok is false for epoch 0 in a time.
func (s *Sim) compile(f filter) (c condition, ok bool) {
	c = condition{filter: f, def: s.usable(f.Name)}
	if c.def == nil || c.def.number == nil {
		return c, true
	}
	read := func(v scalar) int64 {
		if c.def.Type == "datetime" {
			t, _ := parseTime(v.text)
			return t.UnixMilli() // comparison is by millisecond
		}
		n, _ := strconv.ParseInt(v.text, 10, 64)
		return n
	}
	c.low, c.high = read(f.Value), read(f.High)
	return c, c.def.Type != "datetime" || f.Value.text != "0"
}

func (s *Sim) matches(groups [][]condition, one *contact, v *view) bool {
	if len(groups) == 0 {
		return true
	}
	for _, g := range groups {
		all := true
		for i := range g {
			if all = s.holds(&g[i], one, v); !all {
				break
			}
		}
		if all {
			return true
		}
	}
	return false
}

// holds says whether one condition is true. https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
func (s *Sim) holds(f *condition, one *contact, seen *view) bool {
	if f.def == nil {
		return false
	}
	if f.def.number != nil {
		n := f.def.number(one, seen)
		switch f.Operator {
		case "LT", "LTE", "GT", "GTE", "EQ", "BETWEEN":
			return inOrder(f.Operator, cmp.Compare(n, f.low), cmp.Compare(n, f.high))
		}
	}
	v := s.indexed(f.def, one, seen)
	compare := func(with scalar) int { return compareValues(f.def, v, with.text) }
	// Values of IN on text must be in lower case, or they meet nothing.
	in := func() bool {
		return slices.ContainsFunc(f.Values, func(with scalar) bool {
			return compare(with) == 0 && (f.def.Type != "string" || with.text == strings.ToLower(with.text))
		})
	}
	switch f.Operator {
	case "HAS_PROPERTY":
		return v != ""
	case "NOT_HAS_PROPERTY":
		return v == ""
	case "NEQ":
		return v != "" && compare(f.Value) != 0
	case "NOT_IN":
		return v != "" && !in()
	}
	if v == "" {
		return false
	}
	token := strings.Trim(strings.ToLower(f.Value.text), "*")
	switch f.Operator {
	case "IN":
		return in()
	case "CONTAINS_TOKEN":
		return strings.Contains(strings.ToLower(v), token)
	case "NOT_CONTAINS_TOKEN":
		return !strings.Contains(strings.ToLower(v), token)
	}
	return inOrder(f.Operator, compare(f.Value), compare(f.High))
}

// inOrder says whether an operator of order holds for a value that compares so with the filter's value and highValue.
func inOrder(operator string, low, high int) bool {
	switch operator {
	case "EQ":
		return low == 0
	case "LT":
		return low < 0
	case "LTE":
		return low <= 0
	case "GT":
		return low > 0
	case "GTE":
		return low >= 0
	case "BETWEEN":
		return low >= 0 && high <= 0
	}
	return false
}

// indexed is a value as the index has it.
func (s *Sim) indexed(def *property, c *contact, seen *view) string {
	switch {
	case def.Name == "lastmodifieddate":
		return isoTime(seen.modified)
	case def.optout != nil, def.Name == "hs_email_optout":
		return yes(s.indexedOut(def.optout, c, seen.now))
	case def.computed != nil:
		v, _ := def.read(&s.portal, c)
		return v
	}
	f := c.field(def)
	if f == nil {
		return ""
	}
	v, _ := f.valueAt(seen.seen)
	return v
}

// numberOf are the system properties that compare as whole numbers, without their text being made for each contact.
var numberOf = map[string]func(c *contact, seen *view) int64{
	"hs_object_id":     func(c *contact, _ *view) int64 { return c.id },
	"createdate":       func(c *contact, _ *view) int64 { return c.createdAt },
	"lastmodifieddate": func(_ *contact, seen *view) int64 { return seen.modified },
}

// compareValues orders two values of a property: numbers and times by size, enumerations with their case, text without.
func compareValues(def *property, a, b string) int {
	switch def.Type {
	case "number":
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	case "date", "datetime":
		x, _ := parseTime(a)
		y, _ := parseTime(b)
		return x.Truncate(time.Millisecond).Compare(y.Truncate(time.Millisecond))
	case "enumeration":
		return cmp.Compare(a, b)
	}
	return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
}
