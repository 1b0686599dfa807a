package hubspotsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const consentPath = "/communication-preferences/2026-09"

// types are the ids of the account's subscription types.
func (s *Sim) types() (ids []int64) {
	for _, one := range s.Subscriptions() {
		ids = append(ids, one.ID)
	}
	return ids
}

func statusPath(address string) string {
	return consentPath + "/statuses/" + strings.ReplaceAll(address, "@", "%40")
}

// setTo posts a status of one type.
func setTo(t *testing.T, s *Sim, address string, id int64, status string) got {
	t.Helper()
	return post(t, s, statusPath(address), fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":%q}`, id, status))
}

// states are the statuses that an address shows, in the order of the types, and the reasons.
func states(g got) (all []string) {
	list, _ := g.body["results"].([]any)
	for _, one := range list {
		m := one.(map[string]any)
		text := fmt.Sprint(m["status"])
		if reason, ok := m["setStatusSuccessReason"]; ok {
			text += " " + fmt.Sprint(reason)
		}
		all = append(all, text)
	}
	return all
}

// Definitions in the form of section 4.1: the id is text there, and a number in a status.
func TestSubscriptionDefinitions(t *testing.T) {
	s := newSim(t, Config{Brands: []int64{7}, Subscriptions: []Subscription{{ID: 5, Name: "News"}, {Name: "Old", Inactive: true}, {ID: 9, Name: "Brand", BusinessUnitID: 7}}})
	g := ask(t, s, http.MethodGet, consentPath+"/definitions", "")
	d := g.body["results"].([]any)[0].(map[string]any)
	want(t, "first", []any{d["id"], d["name"], d["isActive"], d["isDefault"], d["isInternal"], d["businessUnitId"]}, "[5 News true false false 0]")
	want(t, "all", []any{g.status, g.body["status"], len(g.body["results"].([]any))}, "[200 COMPLETE 3]")
	want(t, "of a brand", len(ask(t, s, http.MethodGet, consentPath+"/definitions?businessUnitId=7", "").body["results"].([]any)), 1)
	want(t, "of no brand", ask(t, s, http.MethodGet, consentPath+"/definitions?businessUnitId=8", "").status, 400)
	want(t, "inactive ones have no status", len(ask(t, s, http.MethodGet, statusPath("a@example.com")+"?channel=EMAIL", "").body["results"].([]any)), 2)
	for _, bad := range []Config{{Subscriptions: []Subscription{{ID: 5, Name: "A"}, {ID: 5, Name: "B"}}}, {Subscriptions: []Subscription{{Name: "A", BusinessUnitID: 7}}},
		{Subscriptions: []Subscription{{ID: 5}}}, {Subscriptions: []Subscription{{ID: 1 << 31, Name: "A"}}}, {Quirks: Quirks{SubscribeAfterAll: "maybe"}}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	// The same seed gives the same ids.
	want(t, "ids", newSim(t, Config{Seed: 3}).types(), newSim(t, Config{Seed: 3}).types())
}

// Reads and writes of one type, with the reasons of section 4.2. The address needs no contact; its case does not
// matter.
func TestStatusOfOneType(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	id := s.types()[0]
	read := func() []string {
		return states(ask(t, s, http.MethodGet, statusPath("a@example.com")+"?channel=EMAIL", ""))
	}
	want(t, "at first", read(), "[NOT_SPECIFIED NOT_SPECIFIED NOT_SPECIFIED]")
	g := post(t, s, statusPath("A@Example.com"), fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":"UNSUBSCRIBED","legalBasis":"LEGITIMATE_INTEREST_OTHER","legalBasisExplanation":"asked"}`, id))
	one := g.body["results"].([]any)[0].(map[string]any)
	want(t, "answer", []any{g.status, one["subscriberIdString"], int64(one["subscriptionId"].(float64)), one["legalBasis"], one["legalBasisExplanation"], one["source"], one["timestamp"]},
		[]any{200, "a@example.com", id, "LEGITIMATE_INTEREST_OTHER", "asked", "Public status API", "2026-11-24T08:00:00Z"})
	want(t, "out", read(), "[UNSUBSCRIBED NOT_SPECIFIED NOT_SPECIFIED]")
	for _, step := range []struct{ status, reason string }{{stateOut, reasonNone}, {stateIn, reasonResubscribe}, {stateIn, reasonNone}, {stateOut, reasonChanged}} {
		want(t, step.status, states(setTo(t, s, "a@example.com", id, step.status)), "["+step.status+" "+step.reason+"]")
	}
	want(t, "not out of all", len(ask(t, s, http.MethodGet, statusPath("a@example.com")+"/unsubscribe-all?channel=EMAIL", "").body["results"].([]any)), 0)
	for what, body := range map[string]string{
		"unknown type": `{"channel":"EMAIL","subscriptionId":1,"statusState":"UNSUBSCRIBED"}`, "no channel": fmt.Sprintf(`{"subscriptionId":%d,"statusState":"UNSUBSCRIBED"}`, id),
		"taking back": fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":"NOT_SPECIFIED"}`, id), "basis": fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":"UNSUBSCRIBED","legalBasis":"X"}`, id), "nothing": `{`} {
		if g := post(t, s, statusPath("a@example.com"), body); g.status != 400 || g.body["category"] != categoryValidation {
			t.Errorf("%s: %d %s", what, g.status, g.text)
		}
	}
	want(t, "no address", setTo(t, s, "nobody", id, stateOut).status, 400)
	want(t, "no channel", ask(t, s, http.MethodGet, statusPath("a@example.com"), "").status, 400)
	want(t, "v4 path", ask(t, s, http.MethodGet, "/communication-preferences/v4/definitions", "").status, 200)
	want(t, "v3 is another API", ask(t, s, http.MethodGet, "/communication-preferences/v3/definitions", "").status, 404)
	want(t, "method", ask(t, s, http.MethodDelete, statusPath("a@example.com"), "").status, 405)
	if err := s.SetQuirks(Quirks{LegalBasisRequired: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "no legal basis", setTo(t, s, "a@example.com", id, stateOut).status, 400)
}

// The opt-out of all e-mail: without verbose a success shows nothing, a repeated one changes nothing, and it covers
// every type.
func TestUnsubscribeAll(t *testing.T) {
	s := newSim(t, Config{})
	path := statusPath("a@example.com") + "/unsubscribe-all"
	want(t, "channel is required", post(t, s, path, "").status, 400)
	want(t, "not verbose", states(post(t, s, path+"?channel=EMAIL", "")), "[]")
	want(t, "applied", s.OptedOut("A@example.com"), true)
	want(t, "again", states(post(t, s, path+"?channel=EMAIL&verbose=true", "")), "[UNSUBSCRIBED NO_STATUS_CHANGE UNSUBSCRIBED NO_STATUS_CHANGE UNSUBSCRIBED NO_STATUS_CHANGE]")
	want(t, "first", states(post(t, s, statusPath("b@example.com")+"/unsubscribe-all?channel=EMAIL&verbose=true", ""))[0], "UNSUBSCRIBED UNSUBSCRIBE_FROM_ALL_OCCURRED")
	one := ask(t, s, http.MethodGet, path+"?channel=EMAIL", "").body["results"].([]any)[0].(map[string]any)
	want(t, "wide", []any{one["wideStatusType"], one["status"], one["businessUnitId"], one["subscriberIdString"]}, "[PORTAL_WIDE UNSUBSCRIBED 0 a@example.com]")
	want(t, "another address", s.OptedOut("c@example.com"), false)
	want(t, "unknown brand", post(t, s, path+"?channel=EMAIL&businessUnitId=4", "").status, 400)
}

// With the Brands add-on the brand must be named, and an opt-out covers that one's types only.
func TestUnsubscribeAllOfABrand(t *testing.T) {
	s := newSim(t, Config{Brands: []int64{7}, Subscriptions: []Subscription{{ID: 5, Name: "Own"}, {ID: 9, Name: "Brand", BusinessUnitID: 7}}})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	path := statusPath("a@example.com") + "/unsubscribe-all?channel=EMAIL"
	want(t, "no brand", post(t, s, path, "").status, 400)
	want(t, "brand 7", states(post(t, s, path+"&verbose=true&businessUnitId=7", "")), "[UNSUBSCRIBED UNSUBSCRIBE_FROM_ALL_OCCURRED]")
	want(t, "both", states(ask(t, s, http.MethodGet, statusPath("a@example.com")+"?channel=EMAIL", "")), "[NOT_SPECIFIED UNSUBSCRIBED]")
	want(t, "own brand", []any{s.OptedOut("a@example.com"), s.value(t, id, "hs_email_optout"), s.value(t, id, "hs_email_optout_9")}, "[false  true]")
	want(t, "wide of 7", ask(t, s, http.MethodGet, path+"&businessUnitId=7", "").body["results"].([]any)[0].(map[string]any)["wideStatusType"], "BUSINESS_UNIT_WIDE")
	want(t, "wide of 0", len(ask(t, s, http.MethodGet, path+"&businessUnitId=0", "").body["results"].([]any)), 0)
	post(t, s, path+"&businessUnitId=0", "")
	want(t, "own brand too", []any{s.OptedOut("a@example.com"), s.value(t, id, "hs_email_optout")}, "[true true]")
}

// What SUBSCRIBED does after an opt-out of all is not documented: all three answers.
func TestSubscribeAfterAll(t *testing.T) {
	for quirk, wanted := range map[string]string{
		"":        "200 out=true [UNSUBSCRIBED UNSUBSCRIBED UNSUBSCRIBED]",
		"lifts":   "200 out=false [SUBSCRIBED UNSUBSCRIBED UNSUBSCRIBED]",
		"refused": "400 out=true [UNSUBSCRIBED UNSUBSCRIBED UNSUBSCRIBED]",
	} {
		s := newSim(t, Config{Quirks: Quirks{SubscribeAfterAll: quirk}})
		post(t, s, statusPath("a@example.com")+"/unsubscribe-all?channel=EMAIL", "")
		g := setTo(t, s, "a@example.com", s.types()[0], stateIn)
		after := states(ask(t, s, http.MethodGet, statusPath("a@example.com")+"?channel=EMAIL", ""))
		want(t, quirk, fmt.Sprintf("%d out=%v %v", g.status, s.OptedOut("a@example.com"), after), wanted)
		// Whatever came of it, the log has it.
		want(t, quirk+" in the log", slices.ContainsFunc(s.ConsentLog(), func(e ConsentEntry) bool {
			return e.Kind == ConsentStatus && e.Status == stateIn && e.SubscriptionID == s.types()[0]
		}), true)
	}
}

// The opt-out belongs to the address: it waits for the contact that is created with it, also after a deletion, is left
// behind when the address changes, and is found when it changes back. Section 1.7.
func TestOptoutBelongsToTheAddress(t *testing.T) {
	s := newSim(t, Config{})
	post(t, s, statusPath("a@example.com")+"/unsubscribe-all?channel=EMAIL", "")
	setTo(t, s, "b@example.com", s.types()[1], stateOut)
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	out := func() string {
		return s.value(t, id, "hs_email_optout") + " " + s.value(t, id, optoutProperty(s.types()[0])) + " " + s.value(t, id, optoutProperty(s.types()[1]))
	}
	want(t, "created", out(), "true true true")
	for _, step := range []struct{ address, out string }{{"b@example.com", "  true"}, {"c@example.com", "  "}, {"a@example.com", "true true true"}} {
		ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"email":"`+step.address+`"}}`)
		want(t, step.address, out(), step.out)
	}
	post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"`+id+`"}`)
	id = s.mustCreate(t, `{"email":"a@example.com"}`)
	want(t, "created again", out(), "true true true")
	// It cannot be written.
	want(t, "written", ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"hs_email_optout":"false"}}`).status, 400)
}

// hs_email_optout in search, as late as the index; and whether lastmodifieddate moves, both answers. Section 4.6.
func TestOptoutInSearch(t *testing.T) {
	for _, bumps := range []bool{false, true} {
		w := newWatch()
		s := newSim(t, Config{Clock: w.now, IndexLag: 10 * time.Second, Quirks: Quirks{OptoutBumpsModified: bumps}})
		s.mustCreate(t, `{"email":"a@example.com"}`)
		w.pass(time.Minute)
		at := w.at
		s.Optout("a@example.com", true)
		out := filters(`{"propertyName":"hs_email_optout","operator":"EQ","value":"true"}`)
		typed := filters(`{"propertyName":"` + optoutProperty(s.types()[0]) + `","operator":"EQ","value":"true"}`)
		want(t, "too early", []any{search(t, s, out).body["total"], search(t, s, typed).body["total"]}, "[0 0]")
		w.pass(10 * time.Second)
		want(t, "shown", []any{search(t, s, out).body["total"], search(t, s, typed).body["total"]}, "[1 1]")
		moved := filters(fmt.Sprintf(`{"propertyName":"lastmodifieddate","operator":"GTE","value":"%d"}`, at.UnixMilli()))
		want(t, "lastmodifieddate", search(t, s, moved).body["total"], map[bool]int{true: 1}[bumps])
		s.Optout("a@example.com", false)
		want(t, "still shown", search(t, s, out).body["total"], 1)
		w.pass(10 * time.Second)
		want(t, "no more", search(t, s, out).body["total"], 0)
	}
}

// The log shows each moment at which a contact could be mailed, and who was subscribed with what basis.
func TestConsentLog(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	post(t, s, statusPath("out@example.com")+"/unsubscribe-all?channel=EMAIL", "")
	a := s.mustCreate(t, `{"email":"out@example.com"}`)
	b := s.mustCreate(t, `{"email":"in@example.com"}`)
	s.mustCreate(t, `{"firstname":"Nobody"}`)
	ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"email":"new@example.com"}}`)
	post(t, s, statusPath("new@example.com")+"/unsubscribe-all?channel=EMAIL", "")
	ask(t, s, http.MethodPatch, contactsPath+"/"+b, `{"properties":{"city":"Ulm"}}`) // changes nothing about it
	if err := s.Archive(Target{ID: b}); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(Target{ID: b}); err != nil {
		t.Fatal(err)
	}
	post(t, s, statusPath("in@example.com"), fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":"SUBSCRIBED","legalBasis":"CONSENT_WITH_NOTICE","legalBasisExplanation":"form"}`, s.types()[0]))
	setTo(t, s, "in@example.com", s.types()[0], stateIn)
	c, err := s.Merge(Target{ID: a}, Target{ID: b})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range s.ConsentLog() {
		line := e.Kind + " " + e.Address
		if e.ContactID != "" {
			line += " " + e.ContactID
		}
		have = append(have, strings.TrimSpace(line+" "+e.Status+" "+e.Reason+" "+e.LegalBasis))
	}
	want(t, "log", strings.Join(have, "\n"), strings.Join([]string{
		"all out@example.com UNSUBSCRIBED UNSUBSCRIBE_FROM_ALL_OCCURRED",
		"silent out@example.com " + a,
		"mailable in@example.com " + b,
		"mailable new@example.com " + a, // the window that a client must close before
		"all new@example.com UNSUBSCRIBED UNSUBSCRIBE_FROM_ALL_OCCURRED",
		"silent new@example.com " + a,
		"silent in@example.com " + b,
		"mailable in@example.com " + b,
		"status in@example.com SUBSCRIBED REQUESTED_CHANGE_OCCURRED CONSENT_WITH_NOTICE",
		"status in@example.com SUBSCRIBED NO_STATUS_CHANGE",
		"silent in@example.com " + b,
		"silent new@example.com " + c,
	}, "\n"))
}
