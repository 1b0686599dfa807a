package hubspot

import (
	"net/http"
	"strconv"
	"strings"
)

// filter lets those words of an answer through that can only be identifiers: codes, categories, property names, ids.
// Its content is the bearer token of the request; a word that holds it is dropped too, since no answer has a reason to
// repeat it but a proxy may show what it was sent. The empty filter knows no token.
type filter string

func filterOf(resp *http.Response) filter {
	if resp.Request == nil {
		return ""
	}
	token, _ := strings.CutPrefix(resp.Request.Header.Get("Authorization"), "Bearer ")
	return filter(token)
}

// maxWord is the length of the longest word; the longest names of properties and codes are near 100.
const maxWord = 120

// word gives text back when it is a word, else nothing: anything else may be a person's value.
func (f filter) word(text looseText) string {
	if len(text) > maxWord || f != "" && strings.Contains(string(text), string(f)) {
		return ""
	}
	for i := range len(text) {
		switch ch := text[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '_', ch == '-', ch == '.', ch == ':':
		default:
			return ""
		}
	}
	return string(text)
}

func (f filter) words(list []string) []string {
	var kept []string
	for _, one := range list {
		if one = f.word(looseText(one)); one != "" {
			kept = append(kept, one)
		}
	}
	return kept
}

func (f filter) correlationID(h http.Header) string {
	return f.word(looseText(h.Get(headerCorrelation)))
}

// digits gives s back when it is a decimal number, else nothing.
func digits(s string) string {
	if _, err := strconv.ParseUint(s, 10, 63); err != nil {
		return ""
	}
	return s
}
