package lead

import (
	"strings"
	"unicode"
)

// maxName is how much of a name is shown, in bytes.
const maxName = 100

// SafeName keeps a property's name out of a text when it is not one: an application may use anything as a key, an
// address too.
func SafeName(s string) string {
	ok := func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r == ' ' || unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !ok(r) }) {
		return "(odd name)"
	}
	return Cut(s, maxName)
}

// Cut shortens a text to n bytes of whole characters, and shows that it did.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
