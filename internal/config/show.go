package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Duration writes a duration the way a person writes it in the file: 250ms, 15m, 168h, 0.
func Duration(d time.Duration) string {
	text := d.String()
	if d == 0 {
		return "0"
	}
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

// member is one key of an object whose order is kept.
type member struct {
	key   string
	value any // string, plain, bool, json.Number, object, []any
}

type object []member

// plain is a text that YAML reads as it stands, without quotes.
type plain string

// MarshalJSON keeps the order of the struct.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.key, err)
		}
		b.WriteString(strconv.Quote(m.key))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalJSON writes the configuration with the keys of the file, durations as texts, and without the database's
// password.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(tree(reflect.ValueOf(c))) }

// WriteYAML writes the configuration as a file that Load reads back, except for the database's password, which is
// hidden.
func (c Config) WriteYAML(w io.Writer) error {
	var b strings.Builder
	writeYAML(&b, tree(reflect.ValueOf(c)).(object), "")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// tree turns a value into strings, numbers, booleans, lists and objects.
func tree(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return plain(Duration(x))
	case DatabaseURL:
		return x.String()
	case Subscriptions:
		if x.All {
			return "all"
		}
		return tree(reflect.ValueOf(x.IDs))
	}
	switch v.Kind() {
	case reflect.Struct:
		out := make(object, 0, v.NumField())
		for i := range v.NumField() {
			out = append(out, member{v.Type().Field(i).Tag.Get("yaml"), tree(v.Field(i))})
		}
		return out
	case reflect.Slice:
		out := make([]any, 0, v.Len())
		for i := range v.Len() {
			out = append(out, tree(v.Index(i)))
		}
		return out
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return json.Number(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case reflect.Int, reflect.Int64:
		return json.Number(strconv.FormatInt(v.Int(), 10))
	}
	return v.String()
}

func writeYAML(b *strings.Builder, o object, indent string) {
	for _, m := range o {
		b.WriteString(indent + m.key + ":")
		switch value := m.value.(type) {
		case object:
			b.WriteByte('\n')
			writeYAML(b, value, indent+"  ")
		case []any:
			writeList(b, value, indent)
		default:
			b.WriteString(" " + scalarYAML(value) + "\n")
		}
	}
}

func writeList(b *strings.Builder, list []any, indent string) {
	if len(list) == 0 {
		b.WriteString(" []\n")
		return
	}
	b.WriteByte('\n')
	for _, item := range list {
		if o, ok := item.(object); ok {
			parts := make([]string, len(o))
			for i, m := range o {
				parts[i] = m.key + ": " + scalarYAML(m.value)
			}
			b.WriteString(indent + "  - {" + strings.Join(parts, ", ") + "}\n")
			continue
		}
		b.WriteString(indent + "  - " + scalarYAML(item) + "\n")
	}
}

// scalarYAML quotes every text that is not plainly a word, since YAML reads many of those as something else.
func scalarYAML(value any) string {
	switch x := value.(type) {
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	case plain:
		return string(x)
	case string:
		for i, r := range x {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (i == 0 || !strings.ContainsRune("0123456789_.-", r)) {
				return quote(x)
			}
		}
		switch strings.ToLower(x) {
		case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
			return quote(x)
		}
		return x
	}
	return ""
}
