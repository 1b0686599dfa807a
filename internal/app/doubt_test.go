package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// bothOf maps one field each way with a winner, and pulls often.
func bothOf(field, winner string) string {
	return fmt.Sprintf(`pull: {schedule: "@every 15s", lagged_schedule: "@every 2m", optout_schedule: "@every 1h", archived_schedule: "@daily"}
push: {max_attempts: 3}
mapping:
  fields:
    - {lead: %s, contact: %s, direction: both, winner: %s}
    - {lead: zip, contact: zip}
`, field, field, winner)
}

// An update was applied and its answer lost; whatever becomes of its row, the doubt stands: the next event that says
// the old value again is sent, for a value, a cleared field and the address, also after a restart.
func TestDoubtOutlivesTheRow(t *testing.T) {
	t.Parallel()
	ends := map[string]func(r *rig, id int64){
		"skipped": func(r *rig, id int64) {
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = 1 WHERE id = ?`, id)
			must(r.t, err)
		},
		"skipped, then a restart": func(r *rig, id int64) {
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = 1 WHERE id = ?`, id)
			must(r.t, err)
			r.stop()
			r.start()
		},
		"superseded": func(*rig, int64) {},
	}
	events := map[string][3]string{ // properties before, of the update, and of the event behind it
		"value":   {`{"city":"Old"}`, `{"city":"New"}`, `{"city":"Old"}`},
		"cleared": {`{"city":"Old"}`, `{"city":null}`, `{"city":"Old"}`},
		"set":     {`{"zip":"1"}`, `{"city":"New"}`, `{"city":null}`},
	}
	for how, end := range ends {
		for what, e := range events {
			waits := []time.Duration{10 * time.Second, 100 * time.Second, 5 * time.Minute}
			if what != "value" {
				waits = waits[:1]
			}
			for _, later := range waits {
				t.Run(fmt.Sprint(how, "/", what, "/", later), func(t *testing.T) {
					inBubble(t, hubspotsim.Config{Seed: 901}, "", func(r *rig) {
						r.event("1", "lead.registered", "ada@example.com", e[0])
						r.start()
						r.settled(time.Minute)
						before := r.contact("ada@example.com")["city"]
						must(t, r.sim.SetFaults("batch_update=lostx1,batch_read=500x2"))
						id := r.event("1", "lead.updated", "", e[1])
						time.Sleep(1200 * time.Millisecond)
						if c := r.contact("ada@example.com"); c["city"] == before {
							t.Fatal("the update was not applied")
						}
						end(r, id)
						time.Sleep(later)
						next := r.event("1", "lead.updated", "", e[2])
						r.settled(2 * time.Minute)
						r.wantContact("ada@example.com", map[string]string{"city": before})
						if later < 2*time.Minute { // later the second look has mended it already
							r.want(next, "delivered")
						}
						time.Sleep(5 * time.Minute)
						r.wantContact("ada@example.com", map[string]string{"city": before})
					})
				})
			}
		}
	}
}

// A process was killed between its request and the settlement, and an operator skips the row before the next one
// starts: the doubt that the row had stands on the link of its lead. The first plan waits until the database has said
// which rows those are.
func TestDoubtOutlivesAKillAndASkip(t *testing.T) {
	t.Parallel()
	for what, e := range map[string][3]string{
		"value":   {`{"city":"Old"}`, `{"city":"New"}`, `{"city":"Old"}`},
		"cleared": {`{"city":"Old"}`, `{"city":null}`, `{"city":"Old"}`},
		"set":     {`{"zip":"1"}`, `{"city":"New"}`, `{"city":null}`},
		"address": {`{"city":"Old"}`, `{"city":"New"}`, `{"city":"Old"}`},
		"create":  {"", `{"city":"New"}`, `{"city":"Old"}`},
		"none":    {`{"city":"Old"}`, `{"city":"New"}`, ""},
	} {
		for _, broken := range []string{"", "refused", "lost", "hung", "slow"} {
			for _, later := range []time.Duration{0, 5 * time.Second, 5 * time.Minute} {
				if broken != "" && (what != "value" || later > 0) {
					continue
				}
				t.Run(fmt.Sprint(what, "/", broken, "/", later), func(t *testing.T) {
					inBubble(t, hubspotsim.Config{Seed: 907}, "", func(r *rig) {
						var dead atomic.Bool
						sh := &shakes{seen: map[string]bool{}, portalLost: func() {}}
						r.between = func(s Store) Store { return shaky{dying{s, &dead}, sh} }
						r.start()
						if e[0] != "" {
							r.event("1", "lead.registered", "ada@example.com", e[0])
							r.settled(time.Minute)
						}
						time.Sleep(time.Minute)
						dead.Store(true)
						typ, address := "lead.updated", map[string]string{"address": "new@example.com"}[what]
						if what == "create" {
							typ, address = "lead.registered", "ada@example.com"
						}
						id := r.event("1", typ, address, e[1])
						time.Sleep(time.Second)
						if cs := r.sim.Contacts(); len(cs) != 1 || what != "cleared" && cs[0].Properties["city"] != "New" {
							t.Fatalf("it was not applied: %v", cs)
						}
						r.stop()
						dead.Store(false)
						_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = ? WHERE id = ?`,
							time.Now().UnixMilli(), id)
						must(t, err)
						if broken != "" {
							sh.breaks("SkippedSince", broken)
						}
						start := func() { r.start(); time.Sleep(later) }
						if later > 0 {
							start()
						}
						if what != "none" {
							r.event("1", typ, map[string]string{"address": "ada@example.com", "create": "ada@example.com"}[what], e[2])
						}
						if later == 0 {
							start()
						}
						if broken != "" {
							time.Sleep(30 * time.Second)
							if sh.heals() == 0 {
								t.Errorf("no call met the fault")
							}
						}
						r.settled(5 * time.Minute)
						city := map[string]string{"set": ""}[what]
						if what != "set" {
							city = "Old"
						}
						time.Sleep(5 * time.Minute)
						if cs := r.sim.Contacts(); len(cs) != 1 {
							t.Errorf("%d contacts", len(cs))
						}
						r.wantContact("ada@example.com", map[string]string{"city": city})
					})
				})
			}
		}
	}
}

// The row is skipped long after the start: the lane was paused until then, and the lead was not read.
func TestDoubtOutlivesALateSkip(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 909}, "push: {concurrency: 1}", func(r *rig) {
			var dead atomic.Bool
			r.between = func(s Store) Store { return dying{s, &dead} }
			r.start()
			r.event("1", "lead.registered", "ada@example.com", `{"city":"Old"}`)
			r.settled(time.Minute)
			dead.Store(true)
			id := r.eventAt(time.Now(), "1", "lead.updated", "", `{"city":"New"}`)
			time.Sleep(time.Second)
			r.wantContact("ada@example.com", map[string]string{"city": "New"})
			r.stop()
			dead.Store(false)
			r.pause("live")
			r.start()
			time.Sleep(20 * time.Minute)
			r.want(id, "pending")
			if busy { // the lead is planned, and waits for another one's request, when the row goes
				_, err := r.db.Exec(`UPDATE lead_outbox SET not_before = ? WHERE id = ?`, time.Now().Add(time.Second).UnixMilli(), id)
				must(t, err)
				must(t, r.sim.SetFaults("batch_create=slow:8s"))
				r.event("2", "lead.registered", "bob@example.com", "")
				r.resume("live")
				time.Sleep(3 * time.Second)
			}
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = ? WHERE id = ?`,
				time.Now().UnixMilli(), id)
			must(t, err)
			r.event("1", "lead.updated", "", `{"city":"Old"}`)
			r.resume("live")
			r.settled(5 * time.Minute)
			time.Sleep(5 * time.Minute)
			r.wantContact("ada@example.com", map[string]string{"city": "Old"})
		})
	}
}

// A lead whose contact people archived is linked to another one, and the first write there has no answer. The link is
// written when that is done, but the doubt stands on it at once: whatever becomes of the row, what the request did is
// no person's edit.
func TestDoubtOfALeadThatIsLinkedAnew(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot", "newest", "fill_empty"} {
		for _, restart := range []bool{false, true} {
			for _, next := range []string{`{"city":"Next"}`, `{"city":"Old"}`, `{"zip":"9"}`} {
				t.Run(fmt.Sprint(winner, "/", restart, "/", next), func(t *testing.T) {
					inBubble(t, hubspotsim.Config{Seed: 908}, bothOf("city", winner), func(r *rig) {
						r.event("1", "lead.registered", "ada@example.com", `{"city":"Old"}`)
						r.start()
						r.settled(time.Minute)
						must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
						r.event("1", "lead.updated", "", `{"zip":"1"}`)
						r.settled(time.Minute)
						r.stranger(map[string]string{"email": "ada@example.com"})
						must(t, r.sim.SetFaults("batch_update=lostx1,batch_read=500x3"))
						id := r.event("1", "lead.registered", "ada@example.com", `{"city":"New"}`)
						for range 100 {
							if time.Sleep(100 * time.Millisecond); r.contact("ada@example.com")["city"] == "New" {
								break
							}
						}
						_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = 1 WHERE id = ?`, id)
						must(t, err)
						r.wantContact("ada@example.com", map[string]string{"city": "New"})
						time.Sleep(20 * time.Second)
						if restart {
							r.restart()
							time.Sleep(time.Minute)
						}
						r.event("1", "lead.registered", "ada@example.com", next)
						r.settled(5 * time.Minute)
						time.Sleep(5 * time.Minute)
						city := "Old"
						if strings.Contains(next, "Next") {
							city = "Next"
						}
						r.wantContact("ada@example.com", map[string]string{"city": city})
						var told int
						must(t, r.db.QueryRow(`SELECT count(*) FROM lead_inbox WHERE properties LIKE '%New%'`).Scan(&told))
						if told > 0 {
							t.Error("our own value was told")
						}
					})
				})
			}
		}
	}
}

// unclear answers 503 to the writes whose body holds a word, applied or not.
type unclear struct {
	inner   http.RoundTripper
	word    string
	applied func(n int) bool // by the number of the request
	n       *int
}

func (u unclear) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, "/batch/update") && !strings.HasSuffix(req.URL.Path, "/batch/create") {
		return u.inner.RoundTrip(req)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	text, _ := io.ReadAll(body)
	if !strings.Contains(string(text), u.word) {
		return u.inner.RoundTrip(req)
	}
	*u.n++
	if u.applied(*u.n) {
		resp, err := u.inner.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
	}
	return &http.Response{StatusCode: 503, Status: "503 Service Unavailable", Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

// The last attempt was applied but answered 503: the contact is read back before the row is dead, whether it had one
// already or not, and with a row that is not applied nothing is sent once more.
func TestDoubtLastAttemptIsReadBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"update", "create"} {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprint(kind, " ", applied), func(t *testing.T) {
				inBubble(t, hubspotsim.Config{Seed: 902}, "push: {max_attempts: 2}", func(r *rig) {
					n, id := 0, int64(0)
					r.base = func(inner http.RoundTripper) http.RoundTripper {
						return unclear{inner, "Mark", func(int) bool { return applied && id != 0 && r.outcome(id).Attempts == 1 }, &n}
					}
					if kind == "update" {
						r.event("1", "lead.registered", "ada@example.com", `{"city":"Old"}`)
					}
					r.event("2", "lead.registered", "bob@example.com", `{"city":"Old"}`)
					r.start()
					r.settled(time.Minute)
					id = r.event("1", map[string]string{"update": "lead.updated", "create": "lead.registered"}[kind],
						map[string]string{"update": "", "create": "ada@example.com"}[kind], `{"city":"Mark"}`)
					for i := 0; r.outcome(id).State == "pending" && i < 1000; i++ {
						if kind == "create" { // others succeed, in requests of their own
							r.event("2", "lead.updated", "", fmt.Sprintf(`{"city":"C%d"}`, i))
						} else {
							r.event(fmt.Sprint("new", i), "lead.registered", fmt.Sprintf("new%d@example.com", i), "")
						}
						time.Sleep(2 * time.Second)
					}
					t.Logf("%d requests, %d attempts", n, r.outcome(id).Attempts)
					word, city := "dead/gave_up", "Old"
					if applied {
						word, city = "delivered", "Mark"
					}
					r.want(id, word)
					time.Sleep(5 * time.Minute)
					if kind == "update" || applied {
						r.wantContact("ada@example.com", map[string]string{"city": city})
					} else if c := r.contact("ada@example.com"); c != nil {
						t.Errorf("the contact is %v", c)
					}
				})
			})
		}
	}
}

// A dead row that is retried once does not overwrite a value of HubSpot's that the application was told, however many
// rows came since.
func TestDoubtNoRuleCountsRows(t *testing.T) {
	t.Parallel()
	for _, behind := range []int{1, 100, 199, 200, 210, 450} {
		t.Run(fmt.Sprint(behind), func(t *testing.T) {
			inBubble(t, hubspotsim.Config{Seed: 903}, bothOf("city", "app"), func(r *rig) {
				r.pull, r.patient = true, true
				r.event("1", "lead.registered", "ada@example.com", `{"city":"Old"}`)
				r.start()
				r.settled(time.Minute)
				id := r.event("1", "lead.updated", "", `{"city":"Dead"}`)
				_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'dead', reason = 'refused', settled_at = 1 WHERE id = ?`, id)
				must(t, err)
				for i := range behind {
					r.event("1", "lead.updated", "", fmt.Sprintf(`{"zip":"%d"}`, i))
				}
				r.settled(5 * time.Minute)
				must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Person"}))
				time.Sleep(time.Minute)
				r.wantInbox(`contact.updated {"city":{"value":"Person","was":"Old"}}`)
				_, err = r.db.Exec(`UPDATE lead_outbox SET state = 'pending', attempts = 0, reason = NULL, settled_at = NULL WHERE id = ?`, id)
				must(t, err)
				r.settled(time.Minute)
				r.want(id, "skipped/overtaken")
				r.wantContact("ada@example.com", map[string]string{"city": "Person"})
			})
		})
	}
}

// toggles are what a field may be set to and back: a text, a checkbox, an emptied field, a status.
var toggles = []struct{ field, first, second string }{
	{"city", "First", "Second"}, {"city", "First", ""}, {"city", "", "Second"}, {"hs_lead_status", "NEW", "OPEN"}, {"vip", "true", "false"}, {"vip", "false", ""},
}

var vip = hubspotsim.Property{Name: "vip", Type: "bool", FieldType: "booleancheckbox", Options: []hubspotsim.Option{{Label: "Yes", Value: "true"},
	{Label: "No", Value: "false"}}}

// After a lost answer a person sets a field back to a value that an older row once had: it is never undone by the
// second look, and it is told, under every winner.
func TestDoubtPersonSetsBackAnEarlierValue(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot", "newest", "fill_empty"} {
		for _, x := range toggles {
			faults := []string{"lost", "late:5s"}
			if x.second != "Second" {
				faults = faults[:1]
			}
			for _, fault := range faults {
				t.Run(winner+"/"+x.field+"/"+x.first+"-"+x.second+"/"+fault, func(t *testing.T) {
					inBubble(t, hubspotsim.Config{Seed: 904, IndexLag: 2 * time.Second, Properties: []hubspotsim.Property{vip}}, bothOf(x.field, winner), func(r *rig) {
						r.pull = true
						r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", fieldOf(x.field, x.first))
						r.start()
						r.settled(time.Minute)
						must(t, r.sim.SetFaults("batch_update="+fault+"x1"))
						time.Sleep(time.Second)
						r.eventAt(time.Now(), "1", "lead.updated", "", fieldOf(x.field, x.second))
						r.settled(time.Minute)
						time.Sleep(20 * time.Second)
						r.wantContact("ada@example.com", map[string]string{x.field: x.second})
						must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{x.field: x.first}))
						time.Sleep(5 * time.Minute)
						r.wantContact("ada@example.com", map[string]string{x.field: x.first})
						r.wantInbox("contact.updated " + toldOf(x.field, x.first, x.second))
						must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{x.field: x.second}))
						time.Sleep(5 * time.Minute)
						r.wantContact("ada@example.com", map[string]string{x.field: x.second})
					})
				})
			}
		}
	}
}

// A person sets the very value that a request of ours with an unknown outcome may have set: the history says who it
// was.
func TestDoubtHistorySaysWhoWrote(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot", "newest", "fill_empty"} {
		t.Run(winner, func(t *testing.T) {
			inBubble(t, hubspotsim.Config{Seed: 905, IndexLag: 2 * time.Second}, bothOf("city", winner), func(r *rig) {
				r.pull = true
				r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", `{"city":"First"}`)
				r.start()
				r.settled(time.Minute)
				must(t, r.sim.SetFaults("batch_update=lostx1"))
				r.eventAt(time.Now(), "1", "lead.updated", "", `{"city":"Second"}`)
				r.settled(time.Minute)
				r.eventAt(time.Now(), "1", "lead.updated", "", `{"city":"Third"}`)
				r.settled(time.Minute)
				r.wantContact("ada@example.com", map[string]string{"city": "Third"})
				must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Second"}))
				time.Sleep(5 * time.Minute)
				r.wantContact("ada@example.com", map[string]string{"city": "Second"})
				r.wantInbox("contact.updated " + toldOf("city", "Second", "Third"))
			})
		})
	}
}

// fieldOf is a row's properties with one field, null when it is empty.
func fieldOf(field, value string) string {
	if value == "" {
		return fmt.Sprintf(`{%q:null}`, field)
	}
	return fmt.Sprintf(`{%q:%q}`, field, value)
}

// toldOf is what the inbox says of one field.
func toldOf(field, value, was string) string {
	q := func(s string) string {
		if s == "" {
			return "null"
		}
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf(`{%q:{"value":%s,"was":%s}}`, field, q(value), q(was))
}

// A registration with one address and an unsubscribe that names another one end at the same address, whenever the rows
// are done: the last by outbox id. It is opted out.
func TestDoubtNamedAddressDependsOnNoTiming(t *testing.T) {
	t.Parallel()
	const b, x = "b@example.com", "x@example.com"
	for name, wait := range map[string]time.Duration{"together": 0, "in the same second": 100 * time.Millisecond, "after it": 20 * time.Second} {
		for _, turned := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/turned ", turned), func(t *testing.T) {
				inBubble(t, hubspotsim.Config{Seed: 906}, "", func(r *rig) {
					events := []func(){func() { r.event("1", "lead.registered", b, `{"city":"Bern"}`) }, func() { r.event("1", "lead.unsubscribed", x, "") }}
					end := x
					if turned {
						events[0], events[1], end = events[1], events[0], b
					}
					events[0]()
					if wait == 0 {
						events[1]()
					}
					r.start()
					if wait > 0 {
						time.Sleep(wait)
						events[1]()
					}
					r.settled(10 * time.Minute)
					time.Sleep(5 * time.Minute)
					r.wantContact(end, map[string]string{"city": "Bern"})
					if n := len(r.sim.Contacts()); n != 1 || !r.sim.OptedOut(end) || !r.sim.OptedOut(x) {
						t.Errorf("%d contacts, %s out: %t, %s out: %t", n, end, r.sim.OptedOut(end), x, r.sim.OptedOut(x))
					}
					if n := r.counts()["delivered"]; n != 2 {
						t.Errorf("%v", r.counts())
					}
				})
			})
		}
	}
}
