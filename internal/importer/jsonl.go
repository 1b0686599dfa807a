package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"leadsync/internal/mapping"
)

// readJSONL hands every line, one JSON object each, to s. Blank lines are passed over.
func readJSONL(lines *lineReader, s *sink) error {
	for {
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(l.text)) == 0 && !l.tooLong {
			continue
		}
		r, err := fromJSON(l)
		if err != nil {
			s.bad(l.no, err)
			continue
		}
		if err := s.record(l.no, r); err != nil {
			return err
		}
	}
}

// fromJSON reads one object with the outbox columns as keys. properties stay as written; a number is fine for lead_id.
func fromJSON(l line) (*raw, error) {
	if l.tooLong {
		return nil, errTooLong
	}
	if err := validText(l.text); err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(l.text, &object); err != nil {
		if json.Valid(l.text) {
			return nil, errors.New("not a JSON object")
		}
		return nil, errors.New("not JSON: each line must be one whole object")
	}
	if object == nil {
		return nil, errors.New("not a JSON object")
	}
	r := &raw{}
	for key, value := range object {
		if key == "properties" {
			if string(value) != "null" {
				text := string(value)
				r.properties = &text
			}
			continue
		}
		field := r.column(key)
		if field == nil {
			return nil, unknownKey(object)
		}
		v, err := scalar(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		*field = v
	}
	return r, nil
}

// unknownKey names the keys that are not columns, when they can be names: a broken export may have data for keys.
func unknownKey(object map[string]json.RawMessage) error {
	var odd []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if key == "properties" || slices.Contains(columnNames, key) {
			continue
		}
		if len(key) > 40 || strings.Trim(key, plainName) != "" {
			key = "(odd name)"
		}
		odd = append(odd, key)
	}
	if more := len(odd) - 5; more > 0 {
		odd = append(odd[:5], fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("unknown keys %s: fields of the lead go inside properties, the columns are %s", strings.Join(odd, ", "), strings.Join(columnNames, ", "))
}

const plainName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// scalar reads a string or a number; nil for null.
func scalar(value json.RawMessage) (*string, error) {
	// As the only property of an object the value meets the same rules about text as the properties column.
	props, err := mapping.ParseProperties(slices.Concat([]byte(`{"v":`), value, []byte(`}`)))
	v := props["v"]
	switch {
	case errors.Is(err, mapping.ErrInvalidText):
		return nil, errors.New("a NUL character or broken Unicode")
	case err != nil || v.Kind == mapping.Bool:
		return nil, errors.New("neither text nor a number")
	case v.Kind == mapping.Null:
		return nil, nil
	}
	return &v.Text, nil
}
