package mapping

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseProperties(t *testing.T) {
	tests := []struct {
		in   string
		want map[string]Raw
		err  error
	}{
		{in: `{}`, want: map[string]Raw{}},
		{in: " \n{ } \t", want: map[string]Raw{}},
		{in: `{"a":"x","b":1.50,"c":true,"d":false,"e":null}`, want: map[string]Raw{"a": text("x"), "b": num("1.50"), "c": boolean("true"), "d": boolean("false"), "e": {}}},
		{in: `{"a":1,"a":"last"}`, want: map[string]Raw{"a": text("last")}},
		{in: `{"\u00e9\n\"\\\/\b\f\r\t":"\ud83e\udd9c é 🦜"}`, want: map[string]Raw{"é\n\"\\/\b\f\r\t": text("🦜 é 🦜")}},
		{in: `{"":""}`, want: map[string]Raw{"": text("")}},
		{in: `{"a":-0,"b":0.5e-3,"c":1E+2}`, want: map[string]Raw{"a": num("-0"), "b": num("0.5e-3"), "c": num("1E+2")}},
		{in: `{"a":"\ufffd\uFFFF"}`, want: map[string]Raw{"a": text("\ufffd\uffff")}},

		{in: ``, err: ErrInvalidJSON},
		{in: `{`, err: ErrInvalidJSON},
		{in: `{"a"}`, err: ErrInvalidJSON},
		{in: `{"a":}`, err: ErrInvalidJSON},
		{in: `{"a":1,}`, err: ErrInvalidJSON},
		{in: `{,"a":1}`, err: ErrInvalidJSON},
		{in: `{"a":1 "b":2}`, err: ErrInvalidJSON},
		{in: `{"a":01}`, err: ErrInvalidJSON},
		{in: `{"a":1.}`, err: ErrInvalidJSON},
		{in: `{"a":+1}`, err: ErrInvalidJSON},
		{in: `{"a":1e}`, err: ErrInvalidJSON},
		{in: `{"a":-}`, err: ErrInvalidJSON},
		{in: `{"a":tru}`, err: ErrInvalidJSON},
		{in: `{"a":nullx}`, err: ErrInvalidJSON},
		{in: `{"a":NaN}`, err: ErrInvalidJSON},
		{in: `{'a':1}`, err: ErrInvalidJSON},
		{in: "{\"a\":\"x\ny\"}", err: ErrInvalidJSON},
		{in: `{"a":"\x"}`, err: ErrInvalidJSON},
		{in: `{"a":"\u12g4"}`, err: ErrInvalidJSON},
		{in: `{"a":"\`, err: ErrInvalidJSON},
		{in: `{"a":1}{}`, err: ErrInvalidJSON},
		{in: `{"a":1} x`, err: ErrInvalidJSON},
		{in: "\ufeff{}", err: ErrInvalidJSON},
		{in: `[1`, err: ErrInvalidJSON},
		{in: `{"a":[1}`, err: ErrInvalidJSON},

		{in: `[]`, err: ErrNotAnObject},
		{in: `"x"`, err: ErrNotAnObject},
		{in: `null`, err: ErrNotAnObject},
		{in: `42`, err: ErrNotAnObject},
		{in: `{"a":{"b":1}}`, err: ErrNestedValue},
		{in: `{"a":[]}`, err: ErrNestedValue},
		{in: `{"a":"b\u0000"}`, err: ErrInvalidText},
		{in: `{"\u0000":1}`, err: ErrInvalidText},
		{in: "{\"a\":\"b\x00\"}", err: ErrInvalidText},
		{in: "{\"a\":\"b\xff\"}", err: ErrInvalidText},
		{in: `{"a":"\ud800"}`, err: ErrInvalidText},
		{in: `{"a":"\udc00\ud800"}`, err: ErrInvalidText},
		{in: `{"a":"\ud800\u0041"}`, err: ErrInvalidText},
	}
	for _, tt := range tests {
		got, err := ParseProperties([]byte(tt.in))
		if !errors.Is(err, tt.err) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %v, %v; want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// FuzzParseProperties holds the scanner to encoding/json: both accept the same flat objects and read the same values.
func FuzzParseProperties(f *testing.F) {
	for _, s := range []string{`{"a":"x","b":1.5,"c":true,"d":null}`, `{"a":{"b":[1]}}`, `[1]`, `{"a":"\ud83e\udd9c"}`, `{"a":"\ud800"}`,
		`{"a":1,"a":2}`, `{"é":"\u0000"}`, "{\"a\":\"\xff\"}", `{"a":1e5} `, `{"a":"\"\\\/\b"}`, `{"a":`, `{"a" : -0.1E-7 , "b" : false}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseProperties(raw)
		if err != nil {
			if !errors.Is(err, ErrInvalidText) && errors.Is(err, ErrInvalidJSON) == json.Valid(raw) {
				t.Fatalf("%q: %v, but json.Valid is %v", raw, err, json.Valid(raw))
			}
			if got != nil {
				t.Fatal("a map together with an error")
			}
			return
		}
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q accepted, but encoding/json says %v", raw, err)
		}
		if len(want) != len(got) {
			t.Fatalf("%q: %d names, want %d", raw, len(got), len(want))
		}
		for name, v := range want {
			r, ok := got[name]
			var same bool
			switch v := v.(type) {
			case nil:
				same = r == Raw{}
			case bool:
				same = r.Kind == Bool && (r.Text == "true") == v
			case string:
				same = r == text(v)
			case json.Number:
				same = r == num(v.String())
			}
			if !ok || !same || !utf8.ValidString(r.Text) || strings.Contains(r.Text, "\x00") {
				t.Fatalf("%q: %q is %v, want %v", raw, name, r, v)
			}
		}
	})
}

var benchRow = []byte(`{"firstname":"Ada","lastname":"Lovelace \u00e9","company":"Analytical Engines","phone":"+49 30 1234567","city":"Berlin","country":"Germany","jobtitle":"Engineer","website":"https://example.com/a","age":36,"vip":true,"plan":"free","zip":null}`)

func BenchmarkParseProperties(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchRow)))
	for b.Loop() {
		if _, err := ParseProperties(benchRow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecoderTokens is the way not taken, kept for the comparison in ParseProperties.
func BenchmarkDecoderTokens(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchRow)))
	for b.Loop() {
		d := json.NewDecoder(strings.NewReader(string(benchRow)))
		d.UseNumber()
		out := map[string]any{}
		if _, err := d.Token(); err != nil {
			b.Fatal(err)
		}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				b.Fatal(err)
			}
			v, err := d.Token()
			if err != nil {
				b.Fatal(err)
			}
			out[k.(string)] = v
		}
	}
}

func BenchmarkMap(b *testing.B) {
	table := New(nil, "").With(definitions())
	raw, err := ParseProperties(benchRow)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Map(raw)
	}
}
