package lead

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Address is an e-mail address in the one form in which leadsync compares and sends it: trimmed, lower case, checked
// against HubSpot's documented rule. The zero value means: no address.
type Address string

// MaxAddressLength is the longest address in bytes (RFC 5321, section 4.5.3.1.3 less the angle brackets).
const MaxAddressLength = 254

// maxLocalLength and maxLabelLength are the limits of RFC 5321 section 4.5.3.1.1 and RFC 1035 section 2.3.4, in bytes.
const (
	maxLocalLength = 64
	maxLabelLength = 63
)

// ErrInvalidAddress is wrapped by every error of NormalizeAddress. No error text holds the address or a part of it.
var ErrInvalidAddress = errors.New("invalid address")

// The reasons an address is refused; each wraps ErrInvalidAddress.
var (
	ErrAddressEmpty     = fmt.Errorf("%w: empty", ErrInvalidAddress)
	ErrAddressTooLong   = fmt.Errorf("%w: too long", ErrInvalidAddress)
	ErrAddressNoAt      = fmt.Errorf("%w: needs exactly one @", ErrInvalidAddress)
	ErrAddressLocalPart = fmt.Errorf("%w: local part", ErrInvalidAddress)
	ErrAddressDomain    = fmt.Errorf("%w: domain", ErrInvalidAddress)
	ErrAddressTLD       = fmt.Errorf("%w: top-level domain", ErrInvalidAddress)
)

// LowerKey is the form in which two spellings of one address are compared: without white space and invisible characters
// at the ends, in lower case. It checks nothing and is idempotent. HubSpot stores addresses in lower case and looks
// them up without regard to case, so two inputs of one batch must not have the same LowerKey.
func LowerKey(s string) string {
	return strings.ToLower(strings.TrimFunc(strings.ToValidUTF8(s, "\uFFFD"), invisible))
}

// invisible reports white space, control characters and the format characters (byte order mark, zero width space and
// joiners, bidirectional marks) that come along when an address is copied from a document.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
}

// NormalizeAddress brings s to the form in which leadsync compares and sends it, or says with one of the ErrAddress
// errors why HubSpot would refuse it. The rule is HubSpot's own: RFC 2822 without a quoted local part, and a domain
// that ends in a top-level domain, internationalised ones included; whether the mailbox exists is not asked
// (https://legacydocs.hubspot.com/docs/faq/how-does-hubspot-validate-email-addresses, read 2026-11-22).
//
// Decisions where the rule leaves room:
//   - The local part is an RFC 2822 dot-atom, that is ASCII: plus tags, apostrophes and !#$%&'*+/=?^_`{|}~- pass, and so do the
//     dots and tags of mail providers, which are never folded. A Unicode local part (RFC 6531) is outside RFC 2822: refused.
//   - A domain in ASCII stays as it is, xn-- labels included. A domain in Unicode is checked in its ASCII form and kept in its
//     Unicode form, as the lead typed it, after the mapping of IDNA (so that full-width letters are one spelling with plain ones).
//   - The list of top-level domains changes weekly, so none is built in: two letters or more, or an xn-- label, pass here, and
//     HubSpot's INVALID_EMAIL decides the rest.
//   - Angle brackets, display names, "mailto:", address literals and domains without a dot are refused, not repaired.
func NormalizeAddress(s string) (Address, error) {
	if !utf8.ValidString(s) {
		return "", ErrAddressLocalPart
	}
	s = strings.TrimFunc(s, invisible)
	if s == "" {
		return "", ErrAddressEmpty
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || strings.Contains(domain, "@") {
		return "", ErrAddressNoAt
	}
	if len(local) > maxLocalLength {
		return "", ErrAddressTooLong
	}
	if !dotAtom(local) {
		return "", ErrAddressLocalPart
	}
	local = strings.ToLower(local) // after the check: the Kelvin sign and its like have lower cases in ASCII
	domain, ascii, err := domainForms(strings.ToLower(domain))
	if err != nil {
		return "", err
	}
	if len(local)+1+max(len(domain), len(ascii)) > MaxAddressLength {
		return "", ErrAddressTooLong
	}
	return Address(local + "@" + domain), nil
}

// dotAtom reports whether s is a dot-atom of RFC 2822 section 3.2.4.
func dotAtom(s string) bool {
	afterDot := true // a dot may neither start nor end the text nor follow a dot
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if afterDot {
				return false
			}
			afterDot = true
			continue
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
		default:
			return false
		}
		afterDot = false
	}
	return !afterDot
}

// domainForms checks a domain in lower case and returns the form to keep and the ASCII form.
func domainForms(domain string) (keep, ascii string, err error) {
	keep, ascii = domain, domain
	if !isASCII(domain) {
		if ascii, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", "", ErrAddressDomain
		}
		if keep, err = idna.Lookup.ToUnicode(ascii); err != nil {
			return "", "", ErrAddressDomain
		}
	}
	labels := strings.Split(ascii, ".")
	for _, l := range labels {
		if !hostLabel(l) {
			return "", "", ErrAddressDomain
		}
	}
	if len(labels) < 2 || !topLevel(labels[len(labels)-1]) {
		return "", "", ErrAddressTLD
	}
	return keep, ascii, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// hostLabel reports whether l is a host name label: letters, digits and inner hyphens.
func hostLabel(l string) bool {
	if l == "" || len(l) > maxLabelLength || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// topLevel reports whether l has the shape of a top-level domain: two letters or more, or an internationalised label.
func topLevel(l string) bool {
	if strings.HasPrefix(l, "xn--") {
		return len(l) > len("xn--")
	}
	for i := range len(l) {
		if l[i] < 'a' || l[i] > 'z' {
			return false
		}
	}
	return len(l) >= 2
}
