package lead

import (
	"errors"
	"strings"
	"testing"
)

func TestNormalizeAddress(t *testing.T) {
	tests := []struct {
		in, want string
		err      error
	}{
		{in: "ada@example.com", want: "ada@example.com"},
		{in: "  Ada.Lovelace@Example.COM\r\n", want: "ada.lovelace@example.com"},
		{in: "\ufeffada@example.com\u200b", want: "ada@example.com"},
		{in: "\u00a0\u202aada@example.com\u202c\u3000", want: "ada@example.com"},
		{in: "ada+news@example.com", want: "ada+news@example.com"},
		{in: "o'neill@example.org", want: "o'neill@example.org"},
		{in: "!#$%&'*+/=?^_`{|}~-@example.net", want: "!#$%&'*+/=?^_`{|}~-@example.net"},
		{in: "a@b.co", want: "a@b.co"},
		{in: "1@1.example.com", want: "1@1.example.com"},
		{in: "ada@ab--c.example.com", want: "ada@ab--c.example.com"},
		{in: "ada@xn--bcher-kva.example", want: "ada@xn--bcher-kva.example"},
		{in: "ada@Bücher.example", want: "ada@bücher.example"},
		{in: "ada@例え.テスト", want: "ada@例え.テスト"},
		{in: "ada@ｅｘａｍｐｌｅ.com", want: "ada@example.com"},
		{in: "ada@example.xn--p1ai", want: "ada@example.xn--p1ai"},
		{in: strings.Repeat("a", 64) + "@example.com", want: strings.Repeat("a", 64) + "@example.com"},

		{in: "", err: ErrAddressEmpty},
		{in: " \t\u200b ", err: ErrAddressEmpty},
		{in: "ada", err: ErrAddressNoAt},
		{in: "ada@b@example.com", err: ErrAddressNoAt},
		{in: "@example.com", err: ErrAddressLocalPart},
		{in: ".ada@example.com", err: ErrAddressLocalPart},
		{in: "ada.@example.com", err: ErrAddressLocalPart},
		{in: "a..b@example.com", err: ErrAddressLocalPart},
		{in: `"ada lovelace"@example.com`, err: ErrAddressLocalPart},
		{in: "ada lovelace@example.com", err: ErrAddressLocalPart},
		{in: "Ada <ada@example.com>", err: ErrAddressLocalPart},
		{in: "mailto:ada@example.com", err: ErrAddressLocalPart},
		{in: "josé@example.com", err: ErrAddressLocalPart},
		{in: "\u212aate@example.com", err: ErrAddressLocalPart}, // the Kelvin sign, whose lower case is k
		{in: "a\u202ed\u202ca@example.com", err: ErrAddressLocalPart},
		{in: "ada@example.com\nbcc: x@example.org", err: ErrAddressNoAt},
		{in: "ada;grace@example.com", err: ErrAddressLocalPart},
		{in: "ada,grace@example.com", err: ErrAddressLocalPart},
		{in: "ada(comment)@example.com", err: ErrAddressLocalPart},
		{in: `a\b@example.com`, err: ErrAddressLocalPart},
		{in: "ada＠example.com", err: ErrAddressNoAt}, // a full-width at sign
		{in: "ada@example。com.", err: ErrAddressDomain},
		{in: "ada@xn--", err: ErrAddressDomain},
		{in: "ada@example.xn--", err: ErrAddressDomain},
		{in: "ada@exa\u00admple\u200b..com", err: ErrAddressDomain},
		{in: "ada@\u212aelvin.example", want: "ada@kelvin.example"},
		{in: "ada@example。com", want: "ada@example.com"}, // the ideographic full stop is a dot, says IDNA
		{in: "a\u200bda@example.com", err: ErrAddressLocalPart},
		{in: "a\x00b@example.com", err: ErrAddressLocalPart},
		{in: "a\xffb@example.com", err: ErrAddressLocalPart},
		{in: "ada@", err: ErrAddressDomain},
		{in: "ada@example..com", err: ErrAddressDomain},
		{in: "ada@example.com.", err: ErrAddressDomain},
		{in: "ada@-example.com", err: ErrAddressDomain},
		{in: "ada@exa_mple.com", err: ErrAddressDomain},
		{in: "ada@exam ple.com", err: ErrAddressDomain},
		{in: "ada@[192.0.2.1]", err: ErrAddressDomain},
		{in: "ada@" + strings.Repeat("a", 64) + ".com", err: ErrAddressDomain},
		{in: "ada@localhost", err: ErrAddressTLD},
		{in: "ada@example.c", err: ErrAddressTLD},
		{in: "ada@192.0.2.1", err: ErrAddressTLD},
		{in: "ada@example.c0m", err: ErrAddressTLD},
		{in: strings.Repeat("a", 65) + "@example.com", err: ErrAddressTooLong},
		{in: "ada@" + strings.Repeat(strings.Repeat("a", 60)+".", 5) + "com", err: ErrAddressTooLong},
	}
	for _, tt := range tests {
		got, err := NormalizeAddress(tt.in)
		if !errors.Is(err, tt.err) || string(got) != tt.want {
			t.Errorf("NormalizeAddress(%q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
		if err != nil && !errors.Is(err, ErrInvalidAddress) {
			t.Errorf("NormalizeAddress(%q): %v does not wrap ErrInvalidAddress", tt.in, err)
		}
	}
}

// The text of an error is a constant, so no address can be in it.
func TestAddressErrorsHoldNoAddress(t *testing.T) {
	for _, in := range []string{"secretword", "secretword..@example.com", "a@secretword", "a@secretword_.com"} {
		_, err := NormalizeAddress(in)
		if err == nil || strings.Contains(err.Error(), "secretword") {
			t.Errorf("NormalizeAddress(%q): error %v", in, err)
		}
	}
}

func FuzzNormalizeAddress(f *testing.F) {
	for _, s := range []string{"Ada@Example.com", "ada@bücher.example", "İ@example.com", "\ufeff a@b.co", "a@ß.de", "x@\u3002.com", "a@b\xff.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if k := LowerKey(s); LowerKey(k) != k {
			t.Fatalf("LowerKey is not idempotent on %q: %q, then %q", s, k, LowerKey(k))
		}
		a, err := NormalizeAddress(s)
		if err != nil {
			if a != "" {
				t.Fatalf("%q: address together with error %v", s, err)
			}
			return
		}
		again, err := NormalizeAddress(string(a))
		if err != nil || again != a {
			t.Fatalf("not idempotent: %q gives %q, then %q, %v", s, a, again, err)
		}
		if len(a) > MaxAddressLength || strings.ToLower(string(a)) != string(a) || strings.ContainsAny(string(a), " \x00\r\n") {
			t.Fatalf("%q passed as %q", s, a)
		}
	})
}
