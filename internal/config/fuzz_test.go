package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad holds Load to its promise on any text: no panic, an *Error or a configuration that is sound and can be
// shown.
func FuzzLoad(f *testing.F) {
	for _, c := range refusals {
		f.Add(c.text)
	}
	f.Add("portal: a\npush: {linger: 0}\nmapping: {fields: [{lead: a, contact: b}]}\n")
	f.Add(strings.Repeat("[", 1999))
	f.Add(strings.Repeat("a: {", 1000))
	f.Add("- - - -")
	f.Add("? a\n: b\n")
	f.Add("portal: &a b\nlog: *a\n")
	if text, err := os.ReadFile(filepath.FromSlash("../../config/leadsync.example.yaml")); err == nil {
		f.Add(string(text))
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(folder, "leadsync.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Load(Source{File: file})
		if err != nil {
			if e, ok := err.(*Error); !ok || len(e.Problems) == 0 || err.Error() == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if err := l.Validate(); err != nil {
			t.Fatalf("loaded, but not sound: %v", err)
		}
		var shown strings.Builder
		if err := l.WriteYAML(&shown); err != nil {
			t.Fatal(err)
		}
	})
}

func TestParserSurvivesDeepNesting(t *testing.T) {
	for _, unit := range []string{"[", "{", "- ", "a: {", "? ", "a:\n ", "! ", "&a ", "|\n", "- [", "'", "\""} {
		_, _ = loadText(t, strings.Repeat(unit, maxBytes/len(unit)))
		_, _ = loadText(t, strings.Repeat(unit, maxBrackets/(len(unit))))
	}
	var stairs strings.Builder
	for i := range 600 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	_, _ = loadText(t, stairs.String())
}
