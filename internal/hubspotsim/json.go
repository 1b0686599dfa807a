package hubspotsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendText appends a JSON string. Invalid UTF-8 becomes U+FFFD, as encoding/json has it.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(b, s[start:i]...)
			b = utf8.AppendRune(b, utf8.RuneError)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendKey appends `"name":`, with a comma when something stands before it in the object.
func appendKey(b []byte, name string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		b = append(b, ',')
	}
	b = appendText(b, name)
	return append(b, ':')
}

// comma appends one when the array or object already has an element.
func comma(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '[' && b[n-1] != '{' {
		return append(b, ',')
	}
	return b
}

// mustJSON encodes what cannot fail: our own structs and maps of strings.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("hubspotsim: encode own answer: " + err.Error())
	}
	return b
}

// isoTime is a time as HubSpot emits it: UTC, milliseconds, and no fraction at all when they are zero.
// Seen in captures, github.com/B0yko/booking-truth.
func isoTime(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	if ms%1000 == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// scalar is a value in a request: HubSpot's values are strings, and numbers and booleans are taken as their text.
type scalar struct {
	null bool
	text string
}

var errNested = errors.New("a value is an object or an array")

// UnmarshalJSON takes a string, number, boolean or null.
func (v *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '{', '[':
		return errNested
	case 'n':
		*v = scalar{null: true}
		return nil
	case '"':
		v.null = false
		if plain := b[1 : len(b)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
			v.text = string(plain)
			return nil
		}
		return json.Unmarshal(b, &v.text)
	}
	*v = scalar{text: string(b)}
	return nil
}

// decodeStrict reads one JSON object of our own admin paths and refuses unknown keys.
func decodeStrict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
