package hubspotsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultScripts(t *testing.T) {
	s := newSim(t, Config{})
	// Every operation and kind of the public contract, with and without a count.
	contract := "batch_create=400,batch_upsert=401,batch_update=403,batch_read=409,create=423,update=429,search=429daily,list=477,properties=500," +
		"subscriptions=502html,token=524,any=lost,any=hang,any=cut,any=slow:2s,any=empty200,any=noids,any=drop:3,batch_create=502htmlx3,any=slow:1msx2"
	if err := s.SetFaults(contract); err != nil {
		t.Fatal(err)
	}
	want(t, "script", s.FaultsLeft(), contract)
	if err := s.SetFaults(" batch_create=lostx2 ,, token=400:BAD_HUBx1, api=409:17 "); err != nil {
		t.Fatal(err)
	}
	want(t, "script", s.FaultsLeft(), "batch_create=lostx2,token=400:BAD_HUBx1,api=409:17")
	for spec, says := range map[string]string{
		"batch_create":                 "OP=KIND[:ARG][xN]",
		"batch_destroy=500":            "unknown operation; want one of batch_create",
		"batch_create=700":             `unknown kind "700"; want one of 400[:STATUS] 401`,
		"batch_create=":                `unknown kind ""`,
		"batch_create=slow":            "slow:DURATION",
		"batch_create=slow:soon":       `argument "soon"`,
		"batch_create=drop":            "drop:N",
		"batch_create=drop:-1":         `argument "-1"`,
		"batch_create=500:1":           "takes no argument",
		"batch_create=500x0":           "at least 1",
		"batch_create=400:BAD_HUB":     "introspect revoke token only",
		"token=400:BAD_LUCK":           "BAD_REFRESH_TOKEN",
		"any=409:x":                    "409[:ID]",
		"search=477:never":             "477[:SECONDS]",
		"any=500,batch_read=1,any=429": `"batch_read=1"`,
	} {
		err := CheckFaults(spec)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v does not say %q", spec, err, says)
		}
		if s.SetFaults(spec) == nil || s.Inject(spec) == nil {
			t.Errorf("%s was taken", spec)
		}
	}
	want(t, "script after refusals", s.FaultsLeft(), "batch_create=lostx2,token=400:BAD_HUBx1,api=409:17")
	for _, op := range FaultOps() {
		if err := CheckFaults(op + "=500"); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	want(t, "kinds", len(FaultKinds()), len(faultKinds))
}

// What each refusing kind answers, and that it does nothing.
func TestFaultsThatRefuse(t *testing.T) {
	s := newSim(t, Config{Limit: 100, Daily: 1000})
	body := `{"inputs":[{"properties":{"email":"a@example.com"},"objectWriteTraceId":"1"}]}`
	key := fmt.Sprintf("%d:%d", s.appID, s.Credentials().PortalID)
	for kind, tc := range map[string]struct {
		status int
		body   string // without correlation and request ids
	}{
		"400":      {400, "map[category:VALIDATION_ERROR message:Unable to process the request status:error]"},
		"401":      {401, ""},
		"403":      {403, ""},
		"409":      {409, "map[category:CONFLICT message:Contact already exists status:error]"},
		"409:5117": {409, "map[category:CONFLICT message:Contact already exists. Existing ID: 5117 status:error]"},
		"423":      {423, "map[message:The resource is locked status:error]"},
		"429": {429, "map[errorType:RATE_LIMIT groupName:publicapi:private_app-api-calls-ten-secondly:" + key +
			" message:You have reached your ten_secondly_rolling limit. policyName:TEN_SECONDLY_ROLLING status:error]"},
		"429daily": {429, "map[errorType:RATE_LIMIT message:You have reached your daily limit. policyName:DAILY status:error]"},
		"477":      {477, "map[message:This account is being migrated between data centers status:error]"},
		"477:90":   {477, "map[message:This account is being migrated between data centers status:error]"},
		"500":      {500, "map[message:internal error status:error]"},
		"502html":  {502, ""},
		"524":      {524, ""},
	} {
		if err := s.SetFaults("batch_create=" + kind + "x1"); err != nil {
			t.Fatal(err)
		}
		g := post(t, s, contactsPath+"/batch/create", body)
		want(t, kind+" status", g.status, tc.status)
		id := g.body["correlationId"]
		delete(g.body, "correlationId")
		delete(g.body, "requestId")
		html := strings.HasPrefix(g.header.Get("Content-Type"), "text/html")
		switch {
		case kind == "502html" || kind == "524":
			if !html || !strings.Contains(g.text, "<html>") {
				t.Errorf("%s: no page: %s", kind, g.text)
			}
		case html:
			t.Errorf("%s: a page", kind)
		case tc.body != "":
			want(t, kind, g.body, tc.body)
			want(t, kind+" correlation id", id, g.header.Get("X-Hubspot-Correlation-Id"))
		}
		want(t, kind+" retry-after", g.header.Get("Retry-After"), map[string]string{"477": "2", "477:90": "90"}[kind])
		if g.status == 429 {
			want(t, kind+" remaining", g.header.Get("X-Hubspot-Ratelimit-Remaining"), "0")
		}
	}
	want(t, "contacts", len(s.Contacts()), 0)
	want(t, "used up", post(t, s, contactsPath+"/batch/create", body).status, 201)
	st := s.Stats()
	want(t, "counted", []int{st.Faults["409"], st.Faults["429"], st.Limited["fault"], st.Unauthorized}, "[2 1 2 0]")
	for op, policy := range map[string]string{"search": "SECONDLY", "list": "TEN_SECONDLY_ROLLING"} {
		if err := s.SetFaults(op + "=429x1"); err != nil {
			t.Fatal(err)
		}
		path, method := contactsPath+"/search", http.MethodPost
		if op == "list" {
			path, method = contactsPath, http.MethodGet
		}
		want(t, op, ask(t, s, method, path, "{}").body["policyName"], policy)
	}
}

// Applied or not, and what the client gets to see.
func TestFaultsThatHideTheOutcome(t *testing.T) {
	inputs := func() (all []string) {
		for i := range 4 {
			all = append(all, fmt.Sprintf(`{"properties":{"email":"c%d@example.com"}}`, i))
		}
		return all
	}
	body := `{"inputs":[{"properties":{"email":"a@example.com"},"objectWriteTraceId":"1"}]}`
	s := newSim(t, Config{Faults: "batch_create=lostx1,batch_create=cutx1"})
	_, err := try(t, s, s.Credentials().StaticToken, http.MethodPost, contactsPath+"/batch/create", body)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("lost: got %v", err)
	}
	want(t, "lost is applied", len(s.Contacts()), 1)
	_, err = try(t, s, s.Credentials().StaticToken, http.MethodPost, contactsPath+"/batch/create", strings.Replace(body, "a@", "b@", 1))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: got %v", err)
	}
	want(t, "cut is applied", len(s.Contacts()), 2)
	want(t, "no status", s.Stats().Statuses["none"], 2)

	s = newSim(t, Config{Faults: "batch_create=empty200x1,batch_create=noidsx1"})
	g := batch(t, s, "create", true, inputs()...)
	want(t, "empty200", []any{g.status, g.body["status"], g.body["results"], len(s.Contacts())}, "[200 COMPLETE [] 0]")
	g = batch(t, s, "create", true, inputs()...)
	list := g.body["results"].([]any)
	want(t, "noids", []any{g.status, len(list), len(s.Contacts())}, "[201 4 4]")
	for _, one := range list {
		m := one.(map[string]any)
		if _, has := m["properties"].(map[string]any)["hs_object_id"]; m["id"] != nil || has {
			t.Errorf("noids: result has an id: %v", m)
		}
	}

	s = newSim(t, Config{Faults: "batch_create=drop:3x1"})
	g = batch(t, s, "create", true, inputs()...)
	want(t, "drop", []any{g.status, len(g.results()), len(g.errors())}, "[201 1 0]")
	var there []string
	for _, c := range s.Contacts() {
		there = append(there, c.Properties["email"])
	}
	want(t, "drop: first and third applied", there, "[c0@example.com c2@example.com c3@example.com]")
}

// A body that cannot be read is refused whatever the fault would have done with it.
func TestFaultsOnBrokenBodies(t *testing.T) {
	for kind := range faultKinds {
		if kind == "hang" || kind == "late" || kind == "slow" {
			continue
		}
		spec := "any=" + kind
		if kind == "drop" {
			spec += ":1"
		}
		s := newSim(t, Config{Faults: spec})
		for _, path := range []string{"", "/batch/create", "/batch/read", "/search", "/merge", "/gdpr-delete"} {
			g, err := try(t, s, s.Credentials().StaticToken, http.MethodPost, contactsPath+path, `{"inputs":`)
			switch {
			case kind == "lost" || kind == "cut":
				if err == nil {
					t.Errorf("%s %s: answered %d", kind, path, g.status)
				}
			case err != nil:
				t.Errorf("%s %s: %v", kind, path, err)
			case kind == "drop" || kind == "noids":
				want(t, kind+path, g.status, 400)
			}
		}
	}
}

// Time passes as it would on a wire, in a bubble, and nothing is left running.
func TestFaultsThatTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, Config{Latency: 150 * time.Millisecond, Faults: "batch_create=slow:2sx1,batch_create=hangx1,batch_create=late:5sx1"})
		send := func(email string, patience time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hubspot.example.com"+contactsPath+"/batch/create",
				strings.NewReader(`{"inputs":[{"properties":{"email":"`+email+`"},"objectWriteTraceId":"1"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+s.Credentials().StaticToken)
			start := time.Now()
			_, err = s.Transport().RoundTrip(r)
			return time.Since(start), err
		}
		took, err := send("slow@example.com", time.Minute)
		want(t, "slow", []any{took, err}, "[2.15s <nil>]")
		took, err = send("hang@example.com", 3*time.Second)
		want(t, "hang", []any{took, errors.Is(err, context.DeadlineExceeded)}, "[3s true]")
		want(t, "not applied", len(s.Contacts()), 1)
		took, err = send("late@example.com", 3*time.Second)
		want(t, "late", []any{took, errors.Is(err, context.DeadlineExceeded), len(s.Contacts())}, "[3s true 1]")
		time.Sleep(3 * time.Second)
		want(t, "applied after the client left", len(s.Contacts()), 2)
		took, err = send("plain@example.com", time.Minute)
		want(t, "latency", []any{took, err}, "[150ms <nil>]")
		took, err = send("hurry@example.com", 50*time.Millisecond)
		want(t, "left before it acted", []any{took, errors.Is(err, context.DeadlineExceeded), len(s.Contacts())}, "[50ms true 3]")
		took, err = send("leave@example.com", 100*time.Millisecond)
		want(t, "left after it acted", []any{took, errors.Is(err, context.DeadlineExceeded), len(s.Contacts())}, "[100ms true 4]")
	})
}

// Which requests an entry meets.
func TestFaultsChooseTheirRequests(t *testing.T) {
	s := newSim(t, Config{Faults: "batch_read=500x1,api=423x2,any=500x1"})
	read := func() int { return batch(t, s, "read", false, `{"id":"1"}`).status }
	want(t, "token endpoint is not api", refresh(t, s, s.Credentials().RefreshToken).status, 500)
	want(t, "in the order of the script", []int{read(), read(), read(), read()}, "[500 423 423 207]")
	if err := s.SetFaults("token=400:BAD_HUBx1,token=429x1,token=502htmlx1,token=noidsx1,token=empty200x1,introspect=503"); err == nil {
		t.Error("503 was taken")
	}
	if err := s.SetFaults("token=400:BAD_HUBx1,token=429x1,token=noidsx1,token=empty200x1,introspect=500x1"); err != nil {
		t.Fatal(err)
	}
	want(t, "BAD_HUB", refresh(t, s, s.Credentials().RefreshToken).body["error"], "access_denied")
	want(t, "429", refresh(t, s, s.Credentials().RefreshToken).body["policyName"], "SECONDLY")
	g := refresh(t, s, s.Credentials().RefreshToken)
	want(t, "without ids", []any{g.status, g.body["hub_id"], g.body["token_use"]}, "[200 <nil> access_token]")
	want(t, "empty", refresh(t, s, s.Credentials().RefreshToken).text, "{}")
	want(t, "introspect", form(t, s, tokenPath+"/introspect", "token", "x").status, 500)
	want(t, "nothing left", s.FaultsLeft(), "")
	if err := s.Inject("any=500x1"); err != nil {
		t.Fatal(err)
	}
	want(t, "a fault is for requests with a token only", call200(t, s, "x", http.MethodGet, contactsPath, "").status, 401)
	want(t, "still there", s.FaultsLeft(), "any=500x1")
}

// A lead's address chooses its fault: for one row, or for the request.
func TestAddressesChooseFaults(t *testing.T) {
	s := newSim(t, Config{})
	in := func(emails ...string) (all []string) {
		for _, one := range emails {
			all = append(all, `{"properties":{"email":"`+one+`"}}`)
		}
		return all
	}
	emails := func() (all []string) {
		for _, c := range s.Contacts() {
			all = append(all, c.Properties["email"])
		}
		slices.Sort(all)
		return all
	}
	g := batch(t, s, "create", true, in("fault-invalid-1@example.com", "fault-refused@example.com", "fault-drop@example.com",
		"fault-dropapplied@example.com", "fault-noid@example.com", "ok@example.com")...)
	want(t, "rows", []any{g.status, len(g.body["results"].([]any)), len(g.errors())}, "[207 2 2]")
	want(t, "applied", emails(), "[fault-dropapplied@example.com fault-noid@example.com ok@example.com]")
	want(t, "named", innerNames(t, g.errors()[0]["message"]), "[email=INVALID_EMAIL]")
	want(t, "unnamed", g.errors()[1]["message"], "The row cannot be processed")
	for local, status := range map[string]int{"whole400": 400, "whole400named": 400, "500": 500, "429": 429, "477": 477, "403": 403} {
		g = batch(t, s, "create", true, in("good@example.com", "fault-"+local+"-x@example.com")...)
		want(t, local, g.status, status)
		want(t, local+" names", len(g.errors()), map[string]int{"whole400named": 1, "403": 1}[local])
	}
	want(t, "nothing more", len(emails()), 3)
	// Once, and then never again; reads are not touched.
	want(t, "first", batch(t, s, "create", true, in("fault1-500@example.com")...).status, 500)
	want(t, "second", batch(t, s, "create", true, in("fault1-500@example.com")...).status, 201)
	g = post(t, s, contactsPath+"/batch/read", `{"idProperty":"email","inputs":[{"id":"fault1-500@example.com"},{"id":"fault-whole400@example.com"}]}`)
	want(t, "read", []any{g.status, len(g.results())}, "[207 1]")
	want(t, "no fault", batch(t, s, "create", true, in("fault-nothing@example.com", "faulty@example.com", "fault-late@example.com")...).status, 201)
}
