package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/status"
)

// planOptions are the first n options of plan.
func planOptions(n int) hubspotsim.Property {
	all := []hubspotsim.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}, {Value: "c", Label: "C"}}
	return hubspotsim.Property{Name: "plan", Type: "enumeration", FieldType: "select", Options: all[:n]}
}

func withPlan(n int) hubspotsim.Config {
	return hubspotsim.Config{Properties: []hubspotsim.Property{planOptions(n), {Name: "locked", ReadOnly: true}, {Name: "size", Type: "number", FieldType: "number"}}}
}

// wantOwed holds the counts of status against what is owed.
func (r *rig) wantOwed(when string, leads, fields int64) {
	r.t.Helper()
	if o := r.report().Portals[0].Owed; o != (status.Owed{Leads: leads, Fields: fields}) {
		r.t.Errorf("%s status counts %+v, want %d leads and %d fields", when, o, leads, fields)
	}
}

// stay lets the daemon work for d; it never asks for what it has.
func (r *rig) stay(d time.Duration) { time.Sleep(d) }

// What was left out goes out by itself once HubSpot's definition takes it, whatever it was left out for, and whatever
// has the definitions read again: the day, a refusal, a reload, a restart. It is owed until then, over restarts.
func TestWhatWasLeftOutGoesOutOnceItFits(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"day", "refusal", "reload", "restart"} {
		inBubble(t, withPlan(1), "", func(r *rig) {
			r.patient = true
			r.start()
			both := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"b","added":"x","locked":"l","size":"large"}`)
			other := r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
			r.settled(time.Minute)
			alone := r.event("2", "lead.updated", "", `{"plan":"c"}`)
			r.settled(time.Minute)
			r.want(other, "delivered")
			r.want(alone, "dead/invalid_property")
			if note := r.want(both, "delivered").Note; note != "left out: added (PROPERTY_DOESNT_EXIST), locked (READ_ONLY_VALUE), plan (INVALID_OPTION), size (INVALID_INTEGER)" {
				t.Errorf("note %q", note)
			}
			r.wantOwed("at first", 2, 5)
			r.stop()
			r.start()
			r.stay(2 * time.Minute)
			r.wantOwed("after a restart", 2, 5)
			must(t, r.sim.DefineProperty(planOptions(3)))
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "added"}))
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "locked"}))
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "size", Type: "string", FieldType: "text"}))
			writes := r.writes()
			switch again {
			case "day":
				r.stay(25 * time.Hour)
			case "refusal":
				r.event("3", "lead.registered", "eve@example.com", `{"firstname":"Eve","nowhere":"x"}`)
				r.stay(time.Minute)
				writes++
			case "reload":
				r.yaml = "push: {linger: 10ms}\n"
				r.reload()
				r.stay(time.Minute)
			case "restart":
				r.stop()
				r.start()
				r.stay(time.Minute)
			}
			r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "plan": "b", "added": "x", "locked": "l", "size": "large"})
			r.wantContact("bob@example.com", map[string]string{"plan": "c"})
			if n := r.writes() - writes; n > 2 {
				t.Errorf("%s: %d writes for two leads", again, n)
			}
			if again == "refusal" {
				r.wantOwed("after it", 1, 1)
			} else {
				r.wantOwed("after it", 0, 0)
			}
		})
	}
}

// What HubSpot itself refused, against definitions that were older, is owed too. It is not tried again while nothing
// has changed.
func TestWhatHubSpotRefusedIsOwed(t *testing.T) {
	t.Parallel()
	inBubble(t, withPlan(2), "", func(r *rig) {
		r.patient = true
		r.start()
		r.settle(r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`))
		r.stay(time.Minute) // the pass that a start makes is over
		must(t, r.sim.DefineProperty(planOptions(1)))
		row := r.event("1", "lead.updated", "", `{"firstname":"Ada B","plan":"b"}`)
		r.settled(time.Minute)
		if o := r.want(row, "delivered"); !strings.Contains(o.Note, "plan (INVALID_OPTION)") {
			t.Errorf("note %q", o.Note)
		}
		r.wantOwed("at first", 1, 1)
		writes := r.writes()
		r.stay(12 * time.Hour)
		if n := r.writes() - writes; n != 0 {
			t.Errorf("%d writes of a value that HubSpot refuses", n)
		}
		r.stop()
		r.start()
		r.stay(time.Hour)
		must(t, r.sim.DefineProperty(planOptions(2)))
		r.stay(25 * time.Hour)
		r.wantContact("ada@example.com", map[string]string{"plan": "b"})
		r.wantOwed("at the end", 0, 0)
	})
}

// A value that a newer event supersedes is owed no longer: whether that is written, unchanged, or left out itself.
func TestWhatIsOwedIsSuperseded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		newer, want   string
		leads, fields int64
	}{{"a", "a", 0, 0}, {"b", "b", 0, 0}, {"d", "d", 1, 1}} {
		inBubble(t, withPlan(2), "", func(r *rig) {
			r.patient = true
			r.start()
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"b"}`)
			r.settled(time.Minute)
			r.event("1", "lead.updated", "", `{"firstname":"Ada B","plan":"c"}`)
			r.settled(time.Minute)
			r.wantOwed("at first", 1, 1)
			r.event("1", "lead.updated", "", `{"firstname":"Ada C","plan":"`+c.newer+`"}`)
			r.settled(time.Minute)
			r.wantOwed("with "+c.newer, c.leads, c.fields)
			more := planOptions(3)
			more.Options = append(more.Options, hubspotsim.Option{Value: "d", Label: "D"})
			must(t, r.sim.DefineProperty(more))
			r.stop()
			r.start()
			r.stay(time.Minute)
			r.wantContact("ada@example.com", map[string]string{"plan": c.want})
			r.wantOwed("at the end", 0, 0)
		})
	}
}

// A person changes the property in HubSpot while the application's value is owed: the winner decides as between an
// event and an edit, whether pull has seen the edit or only the reading before the write, and both sides end equal.
func TestWhatIsOwedMeetsAPersonsEdit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		winner string
		want   string
	}{{"app", "c"}, {"hubspot", "b"}, {"newest", "b"}, {"fill_empty", "b"}} {
		for _, pulls := range []bool{true, false} {
			for _, direction := range []string{"both", "push"} {
				if c.winner == "newest" && direction == "push" {
					continue // nobody hears of the edit: the event's word counts
				}
				name := fmt.Sprintf("%s, %s, pull %t", c.winner, direction, pulls)
				yaml := fmt.Sprintf("mapping: {fields: [{lead: name, contact: firstname}, {lead: plan, contact: plan, direction: %s, winner: %s}]}\n", direction, c.winner)
				inBubble(t, withPlan(2), yaml, func(r *rig) {
					r.patient, r.pull = true, pulls
					r.start()
					r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", `{"name":"Ada","plan":"a"}`)
					r.settled(time.Minute)
					r.eventAt(time.Now(), "1", "lead.updated", "", `{"name":"Ada B","plan":"c"}`)
					r.settled(time.Minute)
					r.wantOwed(name, 1, 1)
					time.Sleep(5 * time.Minute)
					must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"plan": "b"}))
					time.Sleep(5 * time.Minute)
					must(t, r.sim.DefineProperty(planOptions(3)))
					r.stop()
					r.start()
					time.Sleep(5 * time.Minute)
					if got := r.contact("ada@example.com")["plan"]; got != c.want {
						t.Errorf("%s: plan is %q, want %q", name, got, c.want)
					}
					var inbox []string
					if direction == "both" && c.want == "b" {
						inbox = []string{`contact.updated {"plan":{"value":"b","was":"a"}}`}
					}
					r.wantInbox(inbox...)
					r.wantOwed(name+" at the end", 0, 0)
				})
			}
		}
	}
}

// A contact that has the value already, by a person's hand, is not written.
func TestWhatIsOwedIsThereAlready(t *testing.T) {
	t.Parallel()
	inBubble(t, withPlan(1), "", func(r *rig) {
		r.patient = true
		r.start()
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"b"}`)
		r.settled(time.Minute)
		must(t, r.sim.DefineProperty(planOptions(2)))
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"plan": "b"}))
		writes := r.writes()
		r.stop()
		r.start()
		r.stay(time.Minute)
		r.wantOwed("at the end", 0, 0)
		if n := r.writes() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// The answer to the write of an owed value is lost, or HubSpot is away, or refuses one lead's: it goes out all the
// same, and nobody's waits for another's.
func TestWhatIsOwedSurvivesTrouble(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"batch_update=lostx1", "batch_update=500x3", "batch_read=500x3"} {
		inBubble(t, withPlan(1), "", func(r *rig) {
			r.patient = true
			r.start()
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"b"}`)
			r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob","plan":"b"}`)
			r.settled(time.Minute)
			must(t, r.sim.DefineProperty(planOptions(2)))
			r.stop()
			must(t, r.sim.SetFaults(fault))
			r.start()
			r.stay(10 * time.Minute)
			r.wantContact("ada@example.com", map[string]string{"plan": "b"})
			r.wantContact("bob@example.com", map[string]string{"plan": "b"})
			r.wantOwed(fault, 0, 0)
		})
	}
}

// An erase wipes what is owed, and a lead that is deleted owes nothing in its next life.
func TestNothingIsOwedOfWhoIsGone(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"lead.erased", "lead.deleted"} {
		inBubble(t, withPlan(1), "", func(r *rig) {
			r.patient = true
			r.start()
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"needle-b","added":"needle-x"}`)
			r.settled(time.Minute)
			r.wantOwed("at first", 1, 2)
			r.settle(r.event("1", typ, "", ""))
			r.stay(10 * time.Minute)
			r.wantOwed("after "+typ, 0, 0)
			r.stop()
			if typ == "lead.erased" {
				for name, bytes := range r.files() {
					if strings.Contains(string(bytes), "needle") {
						t.Errorf("%s still holds the value", name)
					}
				}
			}
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "added"}))
			r.start()
			if typ == "lead.deleted" {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			}
			r.stay(time.Minute)
			for _, c := range r.sim.Contacts() {
				if c.Properties["added"] != "" {
					t.Errorf("after %s the value of the life before went out", typ)
				}
			}
		})
	}
}

// With on_invalid_field: dead the row waits for a person, as a whole: nothing of it is owed. A value over the bound is
// not kept.
func TestWhatIsNotOwed(t *testing.T) {
	t.Parallel()
	for yaml, properties := range map[string]string{
		"push: {on_invalid_field: dead}\n": `{"plan":"b"}`,
		"":                                 `{"firstname":"Ada B","added":"` + strings.Repeat("x", 9<<10) + `"}`,
	} {
		inBubble(t, withPlan(1), yaml, func(r *rig) {
			r.patient = true
			r.start()
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.settled(time.Minute)
			r.event("1", "lead.updated", "", properties)
			r.settled(time.Minute)
			r.wantOwed("with "+yaml, 0, 0)
		})
	}
}

// A value that HubSpot goes on refusing costs a bounded number of requests, keeps nobody's mended value back, and stops
// no lane.
func TestWhatHubSpotGoesOnRefusingIsBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, withPlan(2), "", func(r *rig) {
		r.patient = true
		r.start()
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 300 {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("a%d@example.com", i), `{"firstname":"Ada","other":"x"}`)
			}
		})
		r.settled(10 * time.Minute)
		r.wantOwed("at first", 300, 300)
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "other"}))
		r.stop()
		var asked atomic.Int64
		r.base = func(next http.RoundTripper) http.RoundTripper { return refusing(next, "other", &asked) }
		r.start()
		r.stay(5 * time.Minute)
		if n := asked.Load(); n < 4 || n > 15 {
			t.Errorf("%d requests of which nothing was taken", n)
		}
		good := r.event("x", "lead.registered", "good@example.com", `{"firstname":"Good"}`)
		r.settled(time.Minute)
		r.want(good, "delivered")
		r.wantOwed("then", 300, 300)
		r.stop()
		r.base = nil
		r.start()
		r.stay(5 * time.Minute)
		r.wantOwed("at the end", 0, 0)
	})
}

// refusing answers batch updates that carry a property as HubSpot does for a value that it does not take.
func refusing(next http.RoundTripper, property string, asked *atomic.Int64) http.RoundTripper {
	return roundTripper(func(q *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(q.URL.Path, "/batch/update") {
			return next.RoundTrip(q)
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(`"`+property+`"`)) {
			return next.RoundTrip(q)
		}
		asked.Add(1)
		answer := `{"status":"error","message":"no","correlationId":"c-1","category":"VALIDATION_ERROR"}`
		return &http.Response{StatusCode: 400, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: q, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer))}, nil
	})
}
