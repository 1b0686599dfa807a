package auth

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// answer is what the token endpoints said, when they did not say yes.
type answer struct {
	op     string // "token", "introspect", "revoke"
	status int
	header http.Header
	body   []byte
}

// The machine words that decide. Those of RFC 6749 are in small letters.
const (
	wordBadRefresh   = "BAD_REFRESH_TOKEN"
	wordBadHub       = "BAD_HUB"
	wordInvalidGrant = "invalid_grant"
)

// Words are kept only when they look like machine words, since nobody promises what else may stand there.
var (
	statusWord = regexp.MustCompile(`^[A-Z][A-Z0-9_]{2,63}$`)
	errorWord  = regexp.MustCompile(`^[a-z][a-z_]{2,39}$`)
)

// words reads a refusal. It has status and message, and since 2026 the error of RFC 6749 too; older and newer
// descriptions name a category:
// https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses (read
// 2026-11-22).
func (a answer) words() (status, code string, isJSON bool) {
	var body struct {
		Error    any `json:"error"`
		Status   any `json:"status"`
		Category any `json:"category"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		return "", "", false
	}
	for _, v := range []any{body.Status, body.Category} {
		if text, ok := v.(string); ok && status == "" && statusWord.MatchString(text) {
			status = text
		}
	}
	if text, ok := body.Error.(string); ok && errorWord.MatchString(text) {
		code = text
	}
	return status, code, true
}

// statusMigrating is 477: the account moves to another data centre, with Retry-After.
// https://developers.hubspot.com/docs/api-reference/error-handling (read 2026-11-22)
const statusMigrating = 477

// judge turns a refusal into a trouble: what passes by itself, a grant that is dead, and a fault of the configuration,
// in this order. A client secret that was changed must never look like a grant that was revoked: the grant is worth
// keeping. Whether a status means one or the other:
// https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses
// (BAD_REFRESH_TOKEN), https://github.com/PostHog/posthog, test_oauth.py (BAD_HUB),
// https://github.com/airbytehq/airbyte/issues/57001 (MISMATCH_REFRESH_TOKEN_CLIENT); read 2026-11-22.
func (a answer) judge() error {
	status, code, isJSON := a.words()
	passing := a.status == http.StatusTooManyRequests || a.status == statusMigrating || a.status == http.StatusRequestTimeout ||
		a.status == http.StatusTooEarly || a.status == http.StatusLocked
	switch {
	case a.status >= 500, passing, a.status < 400, !isJSON:
		e := &WaitError{text: fmt.Sprintf("hubspot %s: HTTP %d", a.op, a.status), Wait: retryAfter(a.header),
			Unknown: a.status >= 500 || a.status < 400 || a.status == http.StatusRequestTimeout}
		if !isJSON {
			e.text += " with a page instead of JSON"
		}
		return e
	case status == wordBadHub, status == wordBadRefresh, code == wordInvalidGrant && status == "":
		return &LoginError{Word: first(status, code)}
	}
	word := first(status, code, "HTTP "+strconv.Itoa(a.status))
	return &FaultError{Word: word, text: "hubspot " + a.op + ": refused (" + word + ")", cure: cureOf(status, code, a.status)}
}

// handedOver ends a cure that changes a secret's file: systemd shows the daemon a copy that is made at the start.
const handedOver = "; under systemd then: systemctl restart leadsync; elsewhere it is read again by itself"

// cureOf is what to do about a refusal that is neither the grant's end nor passing.
func cureOf(status, code string, http4xx int) string {
	switch status {
	case "MISMATCH_REFRESH_TOKEN_CLIENT":
		return "the login was made with another app: put that app's client id and secret back, or run `leadsync auth login` with this one"
	case "BAD_CLIENT_ID":
		return "correct hubspot.auth.client_id: it is on the app's Auth page in HubSpot"
	case "BAD_CLIENT_SECRET":
		return "put the app's present client secret into the file of hubspot.auth.client_secret_file" + handedOver
	case "BAD_AUTH_CODE":
		return "the code was used already or is not known: run `leadsync auth login` again and open the new URL"
	case "EXPIRED_AUTH_CODE":
		return "the code was too old: run `leadsync auth login` again and finish it without a pause"
	case "MISMATCH_REDIRECT_URI_AUTH_CODE", "BAD_REDIRECT_URI":
		return "hubspot.auth.redirect_url must be the same, letter by letter, as when the URL was opened and as in the app's settings; correct it and run `leadsync auth login` again"
	case "BAD_CODE_VERIFIER":
		return "the code belongs to another run of `leadsync auth login`: run it again and use the URL it prints"
	case "BAD_SCOPES":
		return "hubspot.auth.scopes must name scopes that the app declares"
	case "BAD_GRANT_TYPE":
		return "something between leadsync and HubSpot changes the request: look at the proxy"
	}
	switch {
	case code == "invalid_client":
		return "check hubspot.auth.client_id and the file of hubspot.auth.client_secret_file against the app's Auth page in HubSpot"
	case code == wordInvalidGrant:
		return "run `leadsync auth login`"
	case http4xx == http.StatusNotFound, http4xx == http.StatusMethodNotAllowed:
		return "check hubspot.base_url and hubspot.api_version"
	}
	return "check hubspot.auth in the configuration against the app's Auth page in HubSpot"
}

// longestWait bounds what a header can ask for; a migration lasts up to a day.
const longestWait = 24 * time.Hour

// retryAfter reads the header in both of its forms. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), longestWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), longestWait)
	}
	return 0
}

// unreached is a request without an answer. The texts of net/http are not repeated: some hold what was sent or
// received.
func unreached(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("hubspot %s: stopped: %w", op, cause)
	}
	e := &WaitError{text: "hubspot " + op + ": ", Unknown: true}
	var dial *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		e.text, e.Unknown = e.text+"lookup "+dns.Name+": "+dns.Err, false
	case errors.As(err, &dial) && dial.Op == "dial":
		e.text, e.Unknown = e.text+dial.Error(), false
	case errors.As(err, &certificate):
		e.text, e.Unknown = e.text+"tls: "+certificate.Err.Error(), false
	case errors.As(err, &timeout) && timeout.Timeout():
		e.text += "no answer in time"
	default:
		e.text += "connection broken"
	}
	return e
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
