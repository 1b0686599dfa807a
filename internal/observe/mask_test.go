package observe

import (
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"plain words, nothing to hide", "plain words, nothing to hide"},
		{"to ada@example.com.", "to [address]"},
		{`"ada lovelace" <ada.l+x@sub.example.com>, b@example.org`, `"ada lovelace" <[address]>, [address]`},
		{"üñï@exämple.example", "[address]"},
		{"o'brien!#$%&*+/=?^_`{|}~-@example.com", "[address]"},
		{`"a.b"@example.com`, "[address]"},
		{"GET /email/ada%40example.com?x=1", "GET [address]?x=1"},
		{"email=ada@example.com", "[address]"},
		{"@every 1m", "@every 1m"},
		{"Authorization: Bearer abc.def-123", "Authorization: [token] [token]"},
		{"bearer abc.def", "bearer [token]"},
		{"token pat-na1-11111111-2222-3333-4444-555555555555 here", "token [token] here"},
		{"pat-eu1-abcdef", "[token]"},
		{"refresh na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "refresh [token]"},
		{`{"access_token":"x.y","expires_in":1800}`, `{"access_token":"[token]","expires_in":1800}`},
		{"client_secret=abc&refresh_token=def", "client_secret=[token]&refresh_token=[token]"},
		{"password: hunter2", "password: [token]"},
		{"postgres://u:p@host/db", "[address]/db"},
		{"CJSP5qf1KhICAQEYs-gDIIGOBii1hQIyGQAf3xBKmlwHjX7OIpuIFEavB2-qYAGQsF4", "[token]"},
		// What an operator needs stays.
		{"correlation 5a7e23bc-b1b5-4c7d-8d3b-1c2d3e4f5a6b", "correlation 5a7e23bc-b1b5-4c7d-8d3b-1c2d3e4f5a6b"},
		{"sha " + strings.Repeat("0a", 32), "sha " + strings.Repeat("0a", 32)},
		{"/var/lib/leadsync/some/Long/path/with/Many2/parts/leadsync.db", "/var/lib/leadsync/some/Long/path/with/Many2/parts/leadsync.db"},
		{"left out: plan (PROPERTY_DOESNT_EXIST), age (INVALID_INTEGER)", "left out: plan (PROPERTY_DOESNT_EXIST), age (INVALID_INTEGER)"},
		{"dial tcp 127.0.0.1:8979: connect: connection refused", "dial tcp 127.0.0.1:8979: connect: connection refused"},
	} {
		if got := Mask(c.in); got != c.want {
			t.Errorf("Mask(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add("x", "y")
	f.Add(strings.Repeat("a", 300), " tail")
	f.Fuzz(func(t *testing.T, before, after string) {
		if got := Mask(before + " ada.lovelace@example.com " + after); strings.Contains(got, "ada.lovelace") {
			t.Errorf("address left in %q", got)
		}
	})
}

func BenchmarkMaskPlain(b *testing.B) {
	for b.Loop() {
		Mask("push summary of an ordinary minute without anything")
	}
}
