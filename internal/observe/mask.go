package observe

import (
	"regexp"
	"strings"
)

// What masked text is replaced with.
const (
	maskedAddress = "[address]"
	maskedToken   = "[token]"
)

var (
	// address is wide on purpose: it also meets user:password@host of a URL and percent-encoded addresses.
	address = regexp.MustCompile(`(?:"[^"\s]{1,64}"|[^\s@"<>(),;\[\]]+)(?:@|%40)[\p{L}\p{N}][\p{L}\p{N}.:-]*`)
	bearer  = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+`)
	// hubToken meets the tokens of private apps and service keys (pat-na1-...) and refresh tokens (na1-...-...):
	// https://developers.hubspot.com/docs/apps/legacy-apps/private-apps/overview (read 2026-11-22).
	hubToken = regexp.MustCompile(`(?i)\b(pat-)?(na|eu|ap|ca)[0-9]+(-[A-Za-z0-9]{3,}){2,}`)
	patToken = regexp.MustCompile(`(?i)\bpat-[A-Za-z0-9-]{6,}`)
	named    = regexp.MustCompile(`(?i)\b(access_token|refresh_token|client_secret|code_verifier|password|passwd|hapikey|authorization)("?\s*[:=]\s*"?)[^\s"&,;}]+`)
	long     = regexp.MustCompile(`[A-Za-z0-9_+=-]{40,}`)
)

// Mask replaces e-mail addresses, bearer and HubSpot tokens, named secrets and long token-like words in text. It is the
// last line of defence, not the first: code must not put such things into messages and errors at all.
func Mask(text string) string {
	if strings.Contains(text, "@") || strings.Contains(text, "%40") {
		text = address.ReplaceAllString(text, maskedAddress)
	}
	if len(text) < 8 {
		return text
	}
	if strings.Contains(text, "-") {
		text = hubToken.ReplaceAllString(text, maskedToken)
		text = patToken.ReplaceAllString(text, maskedToken)
	}
	if strings.Contains(text, " ") {
		text = bearer.ReplaceAllString(text, "$1 "+maskedToken)
	}
	if strings.ContainsAny(text, "=:") {
		text = named.ReplaceAllString(text, "$1$2"+maskedToken)
	}
	if len(text) >= 40 {
		text = long.ReplaceAllStringFunc(text, func(word string) string {
			if tokenLike(word) {
				return maskedToken
			}
			return word
		})
	}
	return text
}

// tokenLike tells a random word from a long name: it mixes capitals, small letters and digits. Hashes and UUIDs are
// left alone.
func tokenLike(word string) bool {
	var upper, lower, digit bool
	for _, r := range word {
		switch {
		case r >= 'A' && r <= 'Z':
			upper = true
		case r >= 'a' && r <= 'z':
			lower = true
		case r >= '0' && r <= '9':
			digit = true
		}
	}
	return upper && lower && digit
}
