package hubspotsim

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// normalAddress is how HubSpot stores an address: lower case
// (https://github.com/segmentio/action-destinations/pull/1514), without spaces around it.
func normalAddress(a string) string { return strings.ToLower(strings.TrimSpace(a)) }

// validAddress follows https://legacydocs.hubspot.com/docs/faq/how-does-hubspot-validate-email-addresses: RFC 2822
// without a quoted local part, and a domain that ends in a top-level domain of IANA's list, international ones
// included. Whether the mailbox exists is not looked at. a is lower case.
func validAddress(a string) bool {
	local, domain, ok := strings.Cut(a, "@")
	if !ok || local == "" || len(local) > 64 || len(a) > 254 {
		return false
	}
	for part := range strings.SplitSeq(local, ".") {
		if part == "" || strings.Trim(part, atext) != "" {
			return false
		}
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(domain, ".") {
		return false
	}
	for part := range strings.SplitSeq(domain, ".") {
		if part == "" || len(part) > 63 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	suffix, known := publicsuffix.PublicSuffix(domain)
	return known || strings.Contains(suffix, ".")
}

// atext are the characters of an unquoted local part, RFC 2822 section 3.2.4.
const atext = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-"
