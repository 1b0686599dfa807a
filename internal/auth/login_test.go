package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspotsim"
)

// What comes back from the browser: each kind of answer has its own words.
func TestCallbackAnswers(t *testing.T) {
	r := newRig(t, hubspotsim.Config{Seed: 51})
	a, err := r.client().Begin()
	must(t, err)
	u, err := url.Parse(a.URL)
	must(t, err)
	state := u.Query().Get("state")
	for _, tc := range []struct{ answer, want string }{
		{"code=c&state=" + state, ""},
		{"code=c", "carries no state"},
		{"code=c&state=other", "the state of another login"},
		{"state=" + state, "carries no code"},
		{"error=access_denied&state=" + state, "access was denied"},
		{"error=access_denied", "access was denied"}, // HubSpot's own form is not documented
		{"error=access_denied&state=other", "the state of another login"},
		{"error=invalid_scope&state=" + state, "refuses the scopes"},
		{"error=server_error&state=" + state, "server_error"},
		{"error=" + url.QueryEscape("na1-a-secret <b>") + "&state=" + state, "an unknown error"},
	} {
		for _, form := range []string{"http://localhost:8976/callback?" + tc.answer, "?" + tc.answer, tc.answer} {
			if form != "http://localhost:8976/callback?"+tc.answer && !strings.Contains(tc.answer, "code=") {
				continue
			}
			code, err := a.Pasted(" " + form + "\r\n")
			if tc.want == "" {
				if err != nil || code.Reveal() != "c" {
					t.Errorf("%s: %v", form, err)
				}
				continue
			}
			e, ok := errors.AsType[*auth.CallbackError](err)
			if !ok || !strings.Contains(err.Error(), tc.want) || e.Cure() == "" || strings.Contains(err.Error(), "na1") {
				t.Errorf("%s: %v", form, err)
			}
			if errors.Is(err, auth.ErrDenied) != (tc.want == "access was denied") {
				t.Errorf("%s: ErrDenied is wrong", form)
			}
		}
	}
	for text, want := range map[string]string{"": "nothing was pasted", " \n": "nothing was pasted", "two words": "neither an address nor a code",
		a.URL: "the address that leadsync printed", "http://[": "not an address", strings.Repeat("x", 20_000): "neither an address nor a code"} {
		if _, err := a.Pasted(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if code, err := a.Pasted("a-bare-code"); err != nil || code.Reveal() != "a-bare-code" {
		t.Errorf("a bare code: %v", err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// The listener takes one answer on its path, shows how the login ended, and gives the port back.
func TestCallbackListener(t *testing.T) {
	redirect := fmt.Sprintf("http://localhost:%d/callback", freePort(t))
	a, err := newRig(t, hubspotsim.Config{Seed: 52}).client().Begin()
	must(t, err)
	u, err := url.Parse(a.URL)
	must(t, err)
	state := u.Query().Get("state")
	c, err := auth.Listen(t.Context(), redirect, a)
	must(t, err)
	if _, err := auth.Listen(t.Context(), redirect, a); err == nil || !strings.Contains(err.Error(), "another program listens on port") {
		t.Errorf("a second listener: %v", err)
	}
	browser := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(url string) (int, string) {
		resp, err := browser.Get(url)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for path, want := range map[string]int{"/favicon.ico": 404, "/": 404, "/callback": 400, "/callback?x=1": 400,
		// Of somebody else: none of them ends the login.
		"/callback?code=c": 400, "/callback?code=c&state=s": 400, "/callback?error=access_denied": 400, "/callback?error=access_denied&state=": 400} {
		if got, _ := get(strings.TrimSuffix(redirect, "/callback") + path); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
	shown := make(chan string, 1)
	go func() {
		_, text := get(redirect + "?code=c&state=" + state)
		shown <- text
	}()
	query, err := c.Wait(t.Context())
	must(t, err)
	if query.Get("code") != "c" || query.Get("state") != state {
		t.Errorf("got %v", query)
	}
	if got, _ := get(redirect + "?code=d&state=" + state); got != http.StatusGone {
		t.Errorf("a second answer is met with %d", got)
	}
	c.Close("it is done")
	if text := <-shown; text != "it is done\n" {
		t.Errorf("the browser shows %q", text)
	}
	again, err := auth.Listen(t.Context(), redirect, a)
	if err != nil {
		t.Fatalf("the port was not given back: %v", err)
	}
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("nobody came"))
	if _, err := again.Wait(over); err == nil || err.Error() != "nobody came" {
		t.Errorf("nobody came: %v", err)
	}
	again.Close("")
	for _, other := range []string{"https://leads.example.com/callback", "http://leads.example.com/callback", "https://localhost:8976/callback", "http://127.0.0.1:8976/x"} {
		if _, err := auth.Listen(t.Context(), other, a); err == nil || !strings.Contains(err.Error(), "is not http://localhost") {
			t.Errorf("%s: %v", other, err)
		}
	}
}

func TestCheckAccount(t *testing.T) {
	for _, tc := range []struct {
		have, configured, pinned int64
		repin, ok                bool
	}{
		{1, 0, 0, false, true}, {1, 1, 0, false, true}, {1, 0, 1, false, true}, {1, 0, 2, false, false}, {1, 0, 2, true, true},
		{1, 2, 0, false, false}, {1, 2, 2, true, false}, {1, 1, 2, false, true}, {1, 2, 1, false, false},
	} {
		err := auth.CheckAccount(tc.have, tc.configured, tc.pinned, tc.repin)
		if wrong, ok := errors.AsType[*auth.WrongAccountError](err); (err == nil) != tc.ok || err != nil && (!ok || wrong.Have != 1 || wrong.Cure() == "") {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func TestMissingScopes(t *testing.T) {
	got := auth.MissingScopes([]string{"oauth", auth.ScopeContactsRead, "tickets"}, []string{"oauth", "extra"})
	if len(got) != 2 || got[0].Scope != auth.ScopeContactsRead || !strings.Contains(got[0].Disables, "reading contacts") || got[1].Scope != "tickets" || got[1].Disables == "" {
		t.Errorf("missing %+v", got)
	}
}
