package hubspotsim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs a Sim on a free port until the test ends, and gives its address.
func serve(t *testing.T, s *Sim) (base string, stop func() error) {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	ended := false
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("Serve did not end")
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + l.Addr().String(), stop
}

// over is a request over a real socket.
func over(t *testing.T, method, url, token, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// Each admin path does what its method does.
func TestAdminPaths(t *testing.T) {
	s := newSim(t, Config{Limit: 100, Daily: 100})
	base, _ := serve(t, s)
	admin := func(method, what, body string, wanted int) string {
		t.Helper()
		status, header, text := over(t, method, base+AdminPath+"/"+what, "", body)
		want(t, method+" "+what+" "+body, status, wanted)
		if what != "contacts" && what != "faults" && !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
			t.Errorf("%s %s: content type %s", method, what, header.Get("Content-Type"))
		}
		return strings.TrimSpace(text)
	}
	a := s.mustCreate(t, `{"email":"a@example.com"}`)
	s.mustCreate(t, `{"email":"b@example.com"}`)

	admin("POST", "faults", "search=500x2", 200)
	admin("POST", "faults?add=1", "list=429", 200)
	want(t, "faults", admin("GET", "faults", "", 200), "search=500x2,list=429")
	if text := admin("POST", "faults", "search=nothing", 400); !strings.Contains(text, `search=nothing`) || !strings.Contains(text, "502html") {
		t.Errorf("refusal of a script: %s", text)
	}
	admin("POST", "faults", "", 200)
	want(t, "cleared", s.FaultsLeft(), "")

	admin("POST", "quirks", `{"partial_200":true}`, 200)
	admin("POST", "quirks", `{"rotate_refresh":true}`, 200)
	want(t, "quirks add up", s.Quirks(), Quirks{Partial200: true, RotateRefresh: true})
	admin("POST", "quirks", `{"partial":true}`, 400)
	admin("POST", "quirks", `{"whole_400":"often"}`, 400)

	admin("POST", "edit", `{"email":"a@example.com","properties":{"city":"Ulm"}}`, 200)
	want(t, "edited", s.value(t, a, "city"), "Ulm")
	admin("POST", "edit", `{"id":"999999","properties":{}}`, 404)
	admin("POST", "edit", `{"email":"a@example.com","properties":{"nope":"x"}}`, 400)
	admin("POST", "optout", `{"email":"a@example.com"}`, 200)
	want(t, "opted out", s.value(t, a, "hs_email_optout"), "true")
	admin("POST", "optout", `{"email":"a@example.com","in":true}`, 200)
	want(t, "opted in", s.value(t, a, "hs_email_optout"), "")
	admin("POST", "property", `{"name":"plan","type":"number"}`, 200)
	admin("POST", "rule", `[{"property":"firstname"}]`, 200)
	want(t, "rule", post(t, s, contactsPath, `{"properties":{"email":"n@example.com"}}`).status, 400)

	lines := 0
	for sc := bufio.NewScanner(strings.NewReader(admin("GET", "contacts", "", 200))); sc.Scan(); lines++ {
		var v ContactView
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil || v.ID == "" || v.Properties["email"] == "" {
			t.Errorf("line %q: %v", sc.Text(), err)
		}
	}
	want(t, "contacts", lines, 2)
	var merged struct{ ID string }
	if err := json.Unmarshal([]byte(admin("POST", "merge", `{"primary":"`+a+`","other":"b@example.com"}`, 200)), &merged); err != nil {
		t.Fatal(err)
	}
	want(t, "merged", s.value(t, merged.ID, "hs_additional_emails"), "b@example.com")
	admin("POST", "archive", `{"id":"`+merged.ID+`"}`, 200)
	admin("POST", "purge", `{"id":"`+merged.ID+`"}`, 404) // no live one

	var cred Credentials
	read := func() {
		t.Helper()
		if err := json.Unmarshal([]byte(admin("GET", "credentials", "", 200)), &cred); err != nil {
			t.Fatal(err)
		}
	}
	read()
	want(t, "credentials", cred, s.Credentials())
	old := cred.StaticToken
	admin("POST", "token", `{"expired":true}`, 200)
	want(t, "old static token", call200(t, s, old, "GET", contactsPath, "").body["category"], "EXPIRED_AUTHENTICATION")
	token := access(t, s)
	admin("POST", "expire", `{"refused":true}`, 200)
	want(t, "refused", call200(t, s, token, "GET", contactsPath, "").body["category"], "INVALID_AUTHENTICATION")
	admin("POST", "scopes", `{"scopes":["oauth"]}`, 200)
	want(t, "scopes", ask(t, s, "GET", contactsPath, "").status, 403)
	admin("POST", "scopes", "", 200)
	want(t, "all scopes", ask(t, s, "GET", contactsPath, "").status, 200)
	admin("POST", "scopes", `{"token":"nobody"}`, 404)
	read()
	admin("POST", "client", `{}`, 200)
	want(t, "new secret", s.Credentials().ClientSecret != cred.ClientSecret && s.Credentials().ClientID == cred.ClientID, true)
	admin("POST", "revoke", `{"token":"`+cred.OtherRefreshToken+`","account_gone":true}`, 200)
	want(t, "account gone", refresh(t, s, cred.OtherRefreshToken).body["status"], "BAD_HUB")
	admin("POST", "revoke", "", 200)
	want(t, "revoked", refresh(t, s, s.Credentials().RefreshToken).body["status"], "BAD_REFRESH_TOKEN")
	admin("POST", "revoke", `{"token":"nobody"}`, 404)
	admin("POST", "authorize", `{"answer":"deny"}`, 200)
	admin("POST", "authorize", `{"answer":"no"}`, 400)
	admin("POST", "authorize", `{"portal_id":1}`, 404)
	status, to, _ := visit(t, s, AuthorizePath)
	want(t, "denied", []any{status, to.Query().Get("error")}, "[302 access_denied]")
	admin("POST", "app", `{"redirect_urls":["https://example.com/cb"]}`, 200)
	status, _, _ = visit(t, s, AuthorizePath)
	want(t, "unregistered", status, 400)
	admin("POST", "app", `{"redirect_urls":["http://example.com/cb"]}`, 400)
	want(t, "app", strings.Contains(admin("GET", "app", "", 200), `"redirect_urls":["https://example.com/cb"]`), true)

	admin("GET", "nothing", "", 404)
	admin("POST", "nothing", "{}", 404)
	admin("POST", "stats", "", 405)
	admin("GET", "reset", "", 405)
	admin("DELETE", "contacts", "", 405)
	var st Stats
	if err := json.Unmarshal([]byte(admin("GET", "stats", "", 200)), &st); err != nil {
		t.Fatal(err)
	}
	want(t, "admin requests are in no figure", []int{st.Requests, st.Ops["unknown"]}, []int{s.Stats().Requests, 0})
	admin("POST", "reset?stats=1", "", 200)
	want(t, "counters", []int{s.Stats().Requests, s.Stats().DayUsed}, []int{0, st.DayUsed})
	admin("POST", "reset", "", 200)
	want(t, "everything", []any{s.Stats().Contacts, s.Stats().DayUsed, s.Quirks(), s.App().RedirectURLs == nil}, []any{0, 0, Quirks{}, true})
	// Addresses that were joined by hand.
	for _, path := range []string{AdminPath + "//stats", AdminPath + AdminPath + "/stats"} {
		status, _, _ := over(t, "GET", base+path, "", "")
		want(t, path, status, 200)
	}
}

// Over a socket a lost answer is a closed connection and a cut one ends in the middle, both after they were applied.
func TestLostAndCutOverASocket(t *testing.T) {
	s := newSim(t, Config{Faults: "create=lostx1,create=cutx1"})
	base, _ := serve(t, s)
	for i, email := range []string{"a@example.com", "b@example.com"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+contactsPath, strings.NewReader(`{"properties":{"email":"`+email+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.Credentials().StaticToken)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			want(t, "answer that began", i, 1)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: error %v", email, err)
		}
	}
	want(t, "applied", len(s.Contacts()), 2)
	status, header, text := over(t, "POST", base+contactsPath, s.Credentials().StaticToken, `{"properties":{"email":"c@example.com"}}`)
	want(t, "then", []any{status, header.Get("Content-Type"), strings.HasSuffix(text, "}")}, "[201 application/json;charset=utf-8 true]")
}

func TestListenIsForThisMachineOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "localhost.:0", "127.0.0.1", "", "127.1:0"} {
		l, err := Listen(t.Context(), address)
		if !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%q: got %v %v", address, l, err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "localhost:0"} {
		l, err := Listen(t.Context(), address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("%s: listens on %s", address, l.Addr())
		}
		_, err = Listen(t.Context(), l.Addr().String())
		want(t, "port taken", err != nil && !errors.Is(err, ErrNotLoopback), true)
		_ = l.Close()
	}
}

// Serve ends with its context although a request hangs, and waits for the answers that come.
func TestServeEnds(t *testing.T) {
	s := newSim(t, Config{Faults: "list=hangx1,list=slow:200msx1"})
	base, stop := serve(t, s)
	results := make(chan int, 2)
	for range 2 {
		go func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+contactsPath, nil)
			if err != nil {
				results <- -1
				return
			}
			r.Header.Set("Authorization", "Bearer "+s.Credentials().StaticToken)
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
			if err != nil {
				results <- 0
				return
			}
			_ = resp.Body.Close()
			results <- resp.StatusCode
		}()
	}
	for deadline := time.Now().Add(5 * time.Second); s.Stats().Requests < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the requests did not arrive")
		}
		<-time.After(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	got := []int{<-results, <-results}
	want(t, "the slow one answered, the hanging one cut", got[0]+got[1], 200)
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), time.Second); err == nil {
		t.Error("it still listens")
	}
	// A listener that fails under it is an error.
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("a closed listener was served")
	}
}
