package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Every status with every kind of body: only the words that HubSpot has for a dead grant end one, and only with a 4xx
// in JSON.
func TestEveryStatus(t *testing.T) {
	bodies := map[string]struct {
		text string
		dead bool
	}{
		"refresh token":              {`{"error":"invalid_grant","status":"BAD_REFRESH_TOKEN","message":"x"}`, true},
		"refresh token, old":         {`{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token","correlationId":"x"}`, true},
		"refresh token, as category": {`{"status":"error","category":"BAD_REFRESH_TOKEN","message":"x"}`, true},
		"RFC 6749 alone":             {`{"error":"invalid_grant","error_description":"x"}`, true},
		"hub":                        {`{"error":"access_denied","status":"BAD_HUB","message":"x"}`, true},
		"another app":                {`{"error":"invalid_grant","status":"MISMATCH_REFRESH_TOKEN_CLIENT","message":"x"}`, false},
		"secret":                     {`{"error":"invalid_client","status":"BAD_CLIENT_SECRET","message":"x"}`, false},
		"nothing known":              {`{"x":1}`, false},
		"empty object":               {`{}`, false},
		"words of other types":       {`{"error":{"a":1},"status":400,"category":["BAD_HUB"]}`, false},
		"words that are sentences":   {`{"error":"the token na1-secret is bad","status":"BAD TOKEN na1-secret"}`, false},
		"page":                       {`<html>BAD_REFRESH_TOKEN</html>`, false},
		"empty":                      {``, false},
		"cut":                        {`{"error":"invalid_grant","status":"BAD_REF`, false},
	}
	for status := 100; status < 600; status++ {
		for name, body := range bodies {
			err := answer{op: "token", status: status, header: http.Header{}, body: []byte(body.text)}.judge()
			isJSON := strings.HasSuffix(body.text, "}")
			passing := status < 400 || status >= 500 || status == 408 || status == 423 || status == 425 || status == 429 || status == 477 || !isJSON
			var login *LoginError
			var fault *FaultError
			var wait *WaitError
			switch {
			case passing && !errors.As(err, &wait), !passing && body.dead && !errors.As(err, &login), !passing && !body.dead && !errors.As(err, &fault):
				t.Errorf("%d with %s: %T %v", status, name, err, err)
			case fault != nil && (fault.Cure() == "" || fault.Word == ""):
				t.Errorf("%d with %s: no cure: %v", status, name, err)
			}
			if strings.Contains(err.Error(), "secret is bad") || strings.Contains(err.Error(), "na1") {
				t.Errorf("%d with %s: HubSpot's text is repeated: %v", status, name, err)
			}
		}
	}
}

// Every word that was seen has a cure of its own.
func TestEveryWordHasItsCure(t *testing.T) {
	seen := map[string]string{}
	for _, word := range []string{"MISMATCH_REFRESH_TOKEN_CLIENT", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_AUTH_CODE", "EXPIRED_AUTH_CODE",
		"MISMATCH_REDIRECT_URI_AUTH_CODE", "BAD_CODE_VERIFIER", "BAD_SCOPES", "BAD_GRANT_TYPE"} {
		err := answer{op: "token", status: 400, body: fmt.Appendf(nil, `{"status":%q}`, word)}.judge()
		fault, ok := errors.AsType[*FaultError](err)
		if !ok || fault.Word != word || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
			continue
		}
		if other := seen[fault.Cure()]; other != "" {
			t.Errorf("%s and %s have one cure", word, other)
		}
		seen[fault.Cure()] = word
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, " 60 ": time.Minute, "-5": 0, "x": 0, "1.5": 0, "99999999": longestWait,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0} {
		if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	if got := retryAfter(http.Header{"Retry-After": {at}}); got < 59*time.Minute || got > time.Hour {
		t.Errorf("%s: %s", at, got)
	}
}
