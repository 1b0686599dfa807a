package inbox

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"leadsync/internal/lead"
)

// Whatever HubSpot holds, an inbox row is JSON that jsonb, SQLite and MariaDB read whole: no NUL, written or escaped,
// no lone surrogate, no text that is none; and the field says that something was replaced.
func TestPropertiesAreJSONEveryDatabaseReads(t *testing.T) {
	for name, c := range map[string]struct{ value, want, replaced string }{
		"plain":          {"Ada", "Ada", ""},
		"NUL":            {"a\x00b", "a\uFFFDb", Replaced},
		"only NUL":       {"\x00", "\uFFFD", Replaced},
		"no UTF-8":       {"a\xffb", "a\uFFFDb", Replaced},
		"half surrogate": {"a\xed\xa0\x80b", "a\uFFFDb", Replaced},
		"the word":       {`a\u0000b`, `a\u0000b`, ""},
		"emoji":          {"👩‍🚀", "👩‍🚀", ""},
		"controls":       {"a\x01\x1f\u007f\u2028b", "a\x01\x1f\u007f\u2028b", ""},
	} {
		for _, v := range []Value{{New: c.value}, {Was: c.value}} {
			text := Properties(map[string]Value{"city": v})
			var out map[string]struct {
				Value, Was *string
				Replaced   string
			}
			if err := json.Unmarshal([]byte(text), &out); err != nil || !utf8.ValidString(text) {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
			got := out["city"].Value
			if v.New == "" {
				got = out["city"].Was
			}
			if got == nil || *got != c.want || out["city"].Replaced != c.replaced {
				t.Errorf("%s: %s", name, text)
			}
			if plain := strings.ReplaceAll(text, `\\`, ``); strings.Contains(plain, `\u0000`) || strings.Contains(plain, `\ud8`) || strings.Contains(text, "\x00") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	if text := MergedProperties(lead.ContactID("1\x00"), "2"); !json.Valid([]byte(text)) || strings.Contains(text, `\u0000`) {
		t.Errorf("merged: %s", text)
	}
}
