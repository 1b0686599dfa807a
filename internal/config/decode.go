package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder lays a YAML tree over a Config. It goes on after a problem, so that one run reports all of them.
type decoder struct {
	file     string            // the name in problems
	variable string            // instead of file and line, when the text is a variable's
	problems []Problem         // in the order of the text
	places   map[string]string // path of a key that was set -> where; also of every section above it
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *decoder) where(n ast.Node) string {
	if d.variable != "" {
		return d.variable
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return d.file
	}
	return d.file + ":" + strconv.Itoa(n.GetToken().Position.Line)
}

func (d *decoder) refuse(n ast.Node, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{Where: d.where(n), Key: key, Text: fmt.Sprintf(format, args...)})
}

// node decodes n into v, which stands at path.
func (d *decoder) node(n ast.Node, v reflect.Value, path string) {
	d.places[path] = d.where(n)
	if _, empty := n.(*ast.NullNode); empty || n == nil {
		switch v.Kind() {
		case reflect.Struct, reflect.Slice: // a section whose keys are all commented out
			if _, scalar := v.Interface().(Subscriptions); !scalar {
				return
			}
		}
		d.refuse(n, path, `has no value; write one, "" for an empty text, or remove the key`)
		return
	}
	if v.Type() == reflect.TypeFor[Subscriptions]() {
		d.subscriptions(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.section(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		text, ok := scalar(n)
		if !ok {
			d.refuse(n, path, "%s, want %s", describe(n), kindName(v))
			return
		}
		if problem := setScalar(v, text, path); problem != "" {
			d.refuse(n, path, "%s", problem)
		}
	}
}

func (d *decoder) section(n ast.Node, v reflect.Value, path string) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.refuse(n, path, "%s, want a section with keys", describe(n))
		return
	}
	seen := map[string]string{}
	for _, value := range values {
		name, ok := scalar(value.Key)
		if !ok {
			d.refuse(value.Key, path, "a key that is no plain word; anchors, aliases and merge keys are not supported")
			continue
		}
		field := fieldNamed(v, name)
		if !field.IsValid() {
			d.problems = append(d.problems, Problem{Where: d.where(value.Key), Text: unknownKey(name, path, v)})
			continue
		}
		if first, twice := seen[name]; twice {
			d.refuse(value.Key, join(path, name), "is set twice, first at %s; keep one", first)
			continue
		}
		seen[name] = d.where(value.Key)
		d.node(value.Value, field, join(path, name))
		d.places[join(path, name)] = d.where(value.Key)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.refuse(n, path, "%s, want a list", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(sequence.Values))
	for i, item := range sequence.Values {
		element := reflect.New(v.Type().Elem()).Elem()
		if element.Type() == reflect.TypeFor[Field]() {
			element.Set(reflect.ValueOf(Field{Direction: DirectionPush, Winner: WinnerApp}))
		}
		d.node(item, element, fmt.Sprintf("%s[%d]", path, i))
		out = reflect.Append(out, element)
	}
	v.Set(out)
}

func (d *decoder) subscriptions(n ast.Node, v reflect.Value, path string) {
	if text, ok := scalar(n); ok {
		if text != "all" {
			d.refuse(n, path, "%s, want all, or a list of subscription ids like [39644612]", shown(text))
			return
		}
		v.Set(reflect.ValueOf(Subscriptions{All: true}))
		return
	}
	var ids []int64
	d.list(n, reflect.ValueOf(&ids).Elem(), path)
	v.Set(reflect.ValueOf(Subscriptions{IDs: ids}))
}

// scalar is the text of a plain value as written in the file, without quotes.
func scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "is a section"
	case *ast.SequenceNode:
		return "is a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "uses an anchor, alias or tag, which is not supported"
	}
	return "is a single value"
}

func kindName(v reflect.Value) string {
	if c, ok := v.Interface().(choice); ok {
		return "one of " + oneOf(c.values())
	}
	if v.Type() == durationType {
		return "a duration like 250ms, 15s or 168h"
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	}
	return "a text"
}

var wholeNumber = regexp.MustCompile(`^[+-]?[0-9]+$`)

// setScalar sets v from its text and returns the problem, if any, without the key.
func setScalar(v reflect.Value, text, path string) string {
	wrong := func(cure string) string {
		if mayHoldSecret(path) {
			return "want " + kindName(v) + cure
		}
		return shown(text) + ", want " + kindName(v) + cure
	}
	if c, ok := v.Interface().(choice); ok {
		for _, word := range c.values() {
			if text == word {
				v.SetString(word)
				return ""
			}
		}
		if meant := nearest(text, c.values()); meant != "" {
			return wrong(fmt.Sprintf(", did you mean %q?", meant))
		}
		return wrong("")
	}
	switch {
	case v.Type() == durationType:
		wait, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil && wholeNumber.MatchString(text) {
			return wrong("; a number needs its unit, e.g. " + strings.TrimLeft(text, "+-") + "s")
		}
		if err != nil {
			return wrong("; units are ms, s, m and h")
		}
		v.SetInt(int64(wait))
	case v.Kind() == reflect.Int || v.Kind() == reflect.Int64:
		if !wholeNumber.MatchString(text) {
			return wrong(" in plain digits")
		}
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(number) {
			return wrong("; this one is too large")
		}
		v.SetInt(number)
	case v.Kind() == reflect.Float64:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
			return wrong("")
		}
		v.SetFloat(number)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return wrong("")
		}
		v.SetBool(text == "true")
	default:
		if strings.ContainsAny(text, "\x00\n\r") {
			return "holds a line break or a NUL; write it on one line"
		}
		v.SetString(text)
	}
	return ""
}

// mayHoldSecret says whether a person could have written a secret into the key, so that its value stays out of every
// error.
func mayHoldSecret(path string) bool {
	return strings.HasPrefix(path, "database.url") || strings.HasSuffix(path, "_file") || path == "hubspot.auth.client_id"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fieldNamed is the field of struct v with that YAML name, invalid when there is none.
func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// keys calls each for every section and key below v, in the order of the structs.
func keys(v reflect.Value, path string, each func(path string, v reflect.Value)) {
	if path != "" {
		each(path, v)
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[Subscriptions]() {
		return
	}
	for i := range v.NumField() {
		keys(v.Field(i), join(path, v.Type().Field(i).Tag.Get("yaml")), each)
	}
}

var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,40}$`)

// unknownKey words the refusal of a key. A key that does not look like one is not repeated: it may be a value that
// slipped.
func unknownKey(name, path string, section reflect.Value) string {
	if !plainKey.MatchString(name) || shown(name) != quote(name) {
		return "unknown key in " + sectionName(path) + " (not repeated here, it does not look like a key)"
	}
	text := fmt.Sprintf("unknown key %q", name)
	var siblings []string
	for i := range section.NumField() {
		siblings = append(siblings, section.Type().Field(i).Tag.Get("yaml"))
	}
	meant := nearest(name, siblings)
	if meant == "" {
		var all []string
		keys(reflect.ValueOf(Default()), "", func(p string, _ reflect.Value) { all = append(all, p) })
		meant = nearest(name, all)
	}
	if meant != "" {
		return text + fmt.Sprintf(", did you mean %q?", meant)
	}
	for _, word := range []string{"secret", "token", "password", "key"} {
		if strings.Contains(strings.ToLower(name), word) {
			return text + "; secrets are given by file only, see the _file keys"
		}
	}
	return text + "; `leadsync config show` lists the keys"
}

func sectionName(path string) string {
	if path == "" {
		return "the top level"
	}
	return path
}
