package leadgen

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"leadsync/internal/lead"
	"leadsync/internal/testsize"
)

func TestSameSeedSameLeads(t *testing.T) {
	a, b, other := New(7), New(7), New(8)
	same := 0
	for i := range 500 {
		if !reflect.DeepEqual(a.Lead(i), b.Lead(i)) || !reflect.DeepEqual(a.Update(i, 2), b.Update(i, 2)) {
			t.Fatalf("lead %d differs under one seed", i)
		}
		if a.Lead(i).JSON() == other.Lead(i).JSON() {
			same++
		}
	}
	if same > 5 {
		t.Errorf("%d of 500 leads are equal under two seeds", same)
	}
	n := 0
	for l := range a.Leads(100) {
		if !reflect.DeepEqual(l, b.Lead(n)) {
			t.Fatalf("Leads yields another lead %d", n)
		}
		n++
	}
	if n != 100 {
		t.Errorf("Leads(100) yields %d", n)
	}
}

func TestAddressesAreValidUniqueAndReserved(t *testing.T) {
	reserved := regexp.MustCompile(`@example\.(com|org|net)$`)
	count := testsize.Of(50_000, 5_000)
	seen := make(map[lead.Address]bool, count)
	for l := range New(1).Leads(count) {
		a, err := lead.NormalizeAddress(l.Email)
		switch {
		case err != nil:
			t.Fatalf("%s: %q: %v", l.ID, l.Email, err)
		case seen[a]:
			t.Fatalf("%s: %q is taken", l.ID, l.Email)
		case !reserved.MatchString(l.Email):
			t.Fatalf("%s: %q leaves the example domains", l.ID, l.Email)
		}
		seen[a] = true
	}
}

func TestPropertiesAreFlatTextOfManyScripts(t *testing.T) {
	found := map[string]bool{}
	for l := range New(1).Leads(2000) {
		var back map[string]string
		if err := json.Unmarshal([]byte(l.JSON()), &back); err != nil || len(back) != len(l.Properties) {
			t.Fatalf("%s: %v", l.ID, err)
		}
		for name, v := range back {
			if v == "" || v != l.Properties[name] || !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\uFFFD") || strings.Contains(v, "%!") {
				t.Fatalf("%s: %s is %q", l.ID, name, v)
			}
		}
		for _, r := range back["firstname"] {
			for script, table := range unicode.Scripts {
				if script != "Common" && script != "Inherited" && unicode.Is(table, r) {
					found[script] = true
				}
			}
			found["emoji"] = found["emoji"] || r > 0x1f000 && r < 0x20000
			found["joiner"] = found["joiner"] || r == 0x200d
		}
	}
	for _, want := range []string{"Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul", "Devanagari", "Thai", "emoji", "joiner"} {
		if !found[want] {
			t.Errorf("no first name with %s among 2000", want)
		}
	}
}

func TestUpdateChangesSomething(t *testing.T) {
	g := New(3)
	equal := 0
	for i := range 1000 {
		l, u := g.Lead(i), g.Update(i, 1)
		if l.Properties["phone"] == u["phone"] && l.Properties["jobtitle"] == u["jobtitle"] {
			equal++
		}
	}
	if equal > 5 {
		t.Errorf("%d of 1000 updates change nothing", equal)
	}
}

func BenchmarkLead(b *testing.B) {
	g := New(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g.Lead(i)
	}
}
