package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/status"
	"leadsync/internal/testsize"
)

// bySettled is how long a row waited from its insert to its end.
func (r *rig) bySettled(id int64) time.Duration {
	r.t.Helper()
	var settled int64
	must(r.t, r.db.QueryRow(`SELECT coalesce(settled_at, 0) FROM lead_outbox WHERE id = ?`, id).Scan(&settled))
	if settled == 0 {
		return time.Duration(1<<63 - 1)
	}
	at, known := r.inserted[id]
	d := time.UnixMilli(settled).Sub(at)
	if !known || d < -time.Second {
		r.t.Fatalf("row %d settled %s after its insert (known: %t)", id, d, known)
	}
	return d
}

// within holds rows against how long they may have waited to be delivered.
func (r *rig) within(what string, most time.Duration, ids ...int64) {
	r.t.Helper()
	for _, id := range ids {
		if o := r.outcome(id); o.State != "delivered" {
			r.t.Errorf("%s: row %d is %s (note %q, attempts %d)", what, id, o.word(), o.Note, o.Attempts)
		} else if d := r.bySettled(id); d > most {
			r.t.Errorf("%s: row %d waited %s, want at most %s", what, id, d, most)
		}
	}
}

// The unsubscribe lane takes a lead out of a batch that is not sent yet, whatever stopped the contact lane, and
// whatever was paused and resumed before.
func TestLanesUnsubscribeLeavesPlannedBatch(t *testing.T) {
	t.Parallel()
	for _, paused := range []string{"", status.LaneLive, status.LaneBackfill} {
		inBubble(t, hubspotsim.Config{Seed: 50, Latency: 10 * time.Millisecond}, "", func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			if paused != "" {
				r.pause(paused)
				time.Sleep(5 * time.Second)
				r.resume(paused)
				time.Sleep(5 * time.Second)
			}
			must(t, r.sim.SetFaults("batch_create=500"))
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 1500 {
					insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
				}
			})
			time.Sleep(time.Minute)
			var out []int64
			for i := range 15 {
				out = append(out, r.event(fmt.Sprint(100*i+50), "lead.unsubscribed", fmt.Sprintf("p%d@example.com", 100*i+50), ""))
			}
			time.Sleep(5 * time.Second)
			r.within("after a pause of "+paused, 2*time.Second, out...)
			must(t, r.sim.SetFaults(""))
			r.settled(5 * time.Minute)
		})
	}
}

// failing makes requests that hold a marker fail, whatever their operation: one lead, address or contact that HubSpot
// cannot bear.
type failing struct {
	inner  http.RoundTripper
	marker string
	status int

	mu  sync.Mutex
	met map[string]int // by operation
	off bool
}

func (f *failing) RoundTrip(q *http.Request) (*http.Response, error) {
	text := q.URL.String()
	if q.Body != nil {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		q = q.Clone(q.Context())
		q.Body = io.NopCloser(bytes.NewReader(body))
		text += string(body)
	}
	f.mu.Lock()
	hit := !f.off && strings.Contains(text, f.marker)
	if op, _ := operationOf(q); hit {
		f.met[op]++
	}
	f.mu.Unlock()
	if !hit {
		return f.inner.RoundTrip(q)
	}
	answer := `{"status":"error","message":"no","correlationId":"c-1"}`
	return &http.Response{StatusCode: f.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: q, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer))}, nil
}

func (r *rig) fails(marker string, status int) *failing {
	f := &failing{marker: marker, status: status, met: map[string]int{}}
	r.base = func(inner http.RoundTripper) http.RoundTripper {
		f.inner = inner
		return f
	}
	return f
}

func (f *failing) requests() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.met {
		n += one
	}
	return n
}

// statuses are those that HubSpot may give to one lead alone.
var statuses = []int{400, 403, 404, 409, 414, 418, 422, 423, 500, 503}

// One registration that HubSpot cannot bear, whatever it answers, stops no other: not those that come after it, one by
// one, and not the 99 of its batch.
func TestLanesOneBadLeadStopsNobody(t *testing.T) {
	t.Parallel()
	for _, status := range testsize.Some(t, statuses, 3) {
		inBubble(t, hubspotsim.Config{Seed: 51, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
			f := r.fails("bad@example.com", status)
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			bad := r.event("bad", "lead.registered", "bad@example.com", `{"firstname":"B"}`)
			for i := range 60 {
				time.Sleep(time.Duration(i%7) * 1500 * time.Millisecond)
				good := r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
				time.Sleep(2500 * time.Millisecond)
				r.within(fmt.Sprint("beside ", status), 2*time.Second, good)
			}
			time.Sleep(time.Minute)
			if o := r.outcome(bad); o.State == "delivered" {
				t.Errorf("%d: the bad row is %s", status, o.word())
			}
			if n := f.requests(); n > 60 {
				t.Errorf("%d: %d requests about the bad lead", status, n)
			}
		})
	}
}

func TestLanesOneBadLeadOfABatch(t *testing.T) {
	t.Parallel()
	for _, status := range testsize.Some(t, statuses, 3) {
		for _, at := range testsize.Some(t, []int{0, 57, 99}, 1) {
			inBubble(t, hubspotsim.Config{Seed: 52, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
				f := r.fails("bad@example.com", status)
				r.event("warm", "lead.registered", "warm@example.com", `{}`)
				r.start()
				r.settled(time.Minute)
				time.Sleep(2 * time.Minute) // nothing else has succeeded for long
				var good []int64
				r.events(func(insert func(lead, typ, email, properties string)) {
					for i := range 100 {
						email := fmt.Sprintf("p%d@example.com", i)
						if i == at {
							email = "bad@example.com"
						}
						insert(fmt.Sprint(i), "lead.registered", email, `{"firstname":"F"}`)
					}
				})
				for i := range 100 {
					if i != at {
						good = append(good, int64(2+i))
					}
				}
				time.Sleep(10 * time.Second)
				r.within(fmt.Sprintf("%d at %d", status, at), 2*time.Second, good...)
				if n := f.requests(); n > 40 {
					t.Errorf("%d at %d: %d requests about the bad lead in 10 s", status, at, n)
				}
			})
		}
	}
}

// Bad registrations, one a second, stop no good one, however they are refused.
func TestLanesBadRowsStopNobody(t *testing.T) {
	t.Parallel()
	kinds := []string{"x%d@mail.nosuchtld", "fault-refused-%d@example.com", "fault-whole400-%d@example.com", "fault-whole400named-%d@example.com",
		"fault-400-%d@example.com", "fault-invalid-%d@example.com", "fault-409-%d@example.com", "fault-drop-%d@example.com"}
	for _, kind := range testsize.Some(t, kinds, 3) {
		inBubble(t, hubspotsim.Config{Seed: 53, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			var bad, good []int64
			for i := range 6 {
				bad = append(bad, r.event(fmt.Sprint("bad", i), "lead.registered", fmt.Sprintf(kind, i), `{"firstname":"F"}`))
				time.Sleep(time.Second)
			}
			for i := range 5 {
				good = append(good, r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`))
				time.Sleep(time.Second)
			}
			time.Sleep(5 * time.Second)
			r.within(kind, 2*time.Second, good...)
			r.settled(3 * time.Minute)
			for _, id := range bad {
				if o := r.outcome(id); o.State != "dead" {
					t.Errorf("%s: row %d is %s (note %q)", kind, id, o.word(), o.Note)
				}
			}
			if s := r.status(); s.State != breaker.Running {
				t.Errorf("%s: the lane is %s: %s", kind, s.State, s.Cause)
			}
		})
	}
}

// optOutBeside registers people, inserts the bad opt-outs, one a second, then good ones, and holds the good ones
// against two seconds.
func (r *rig) optOutBeside(what string, bad []string, goods int) {
	r.t.Helper()
	r.events(func(insert func(lead, typ, email, properties string)) {
		for i, a := range bad {
			insert(fmt.Sprint("bad", i), "lead.registered", a, `{}`)
		}
		for i := range goods {
			insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
		}
	})
	r.start()
	r.settled(time.Minute)
	for i := range bad {
		r.event(fmt.Sprint("bad", i), "lead.unsubscribed", "", "")
		time.Sleep(time.Second)
	}
	var good []int64
	for i := range goods {
		time.Sleep(time.Duration(i%4) * 1700 * time.Millisecond)
		good = append(good, r.event(fmt.Sprint(i), "lead.unsubscribed", "", ""))
		time.Sleep(2500 * time.Millisecond)
	}
	r.within(what, 2*time.Second, good...)
}

// Opt-outs that HubSpot refuses, or cannot bear, stop nobody else's: one that always fails, and six in a row.
func TestLanesBadOptOutStopsNobody(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		for _, batches := range []bool{false, true} {
			for _, kind := range testsize.Some(t, []string{"400", "refused", "invalid", "500", "403", "409", "423", "502html"}, 4) {
				inBubble(t, hubspotsim.Config{Seed: 54, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
					if !batches {
						a := r.sim.App()
						must(t, r.sim.SetScopes("", slices.DeleteFunc(append(slices.Clone(a.RequiredScopes), a.OptionalScopes...), func(s string) bool {
							return s == "communication_preferences.statuses.batch.write"
						})))
					}
					var bad []string
					for i := range map[bool]int{false: 1, true: 6}[many] {
						bad = append(bad, fmt.Sprintf("subfault-%s-%d@example.com", kind, i))
					}
					if many && (kind == "500" || kind == "403" || kind == "502html" || kind == "423") {
						return // different ones in a row, and nothing that succeeds: an outage
					}
					before := r.sim.Stats().Requests
					r.optOutBeside(fmt.Sprint(kind, " many=", many, " batches=", batches), bad, 20)
					if n := r.sim.Stats().Requests - before; n > 200 {
						t.Errorf("%s: %d requests", kind, n)
					}
					if kind == "500" {
						if n := attempts(r, "lead.unsubscribed"); n == 0 {
							t.Errorf("%s batches=%t: no attempt was counted though others succeeded", kind, batches)
						}
					}
				})
			}
		}
	}
}

// attempts are those of the bad lead's rows of a type.
func attempts(r *rig, typ string) (n int) {
	must(r.t, r.db.QueryRow(`SELECT max(attempts) FROM lead_outbox WHERE lead_id = 'bad0' AND event_type = ?`, typ).Scan(&n))
	return n
}

// A delete or an erase that HubSpot does not allow waits by itself, with its reason in its note and in status; the lane
// goes on, few requests are spent on it, and the next hour brings it to its end.
func TestLanesRefusedOperationStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typ, op, path string }{{"lead.erased", "gdpr_delete", "gdpr-delete"}, {"lead.deleted", "batch_archive", "batch/archive"}} {
		for _, scope := range []bool{true, false} {
			inBubble(t, hubspotsim.Config{Seed: 55, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3, second_look: 20s}", func(r *rig) {
				f := r.fails(c.path, 403)
				f.off = scope
				r.events(func(insert func(lead, typ, email, properties string)) {
					for i := range 20 {
						insert(fmt.Sprint("gone", i), "lead.registered", fmt.Sprintf("gone%d@example.com", i), `{}`)
					}
				})
				r.start()
				r.settled(time.Minute)
				if scope {
					must(t, r.sim.SetFaults(c.op+"=403"))
				}
				var gone []int64
				for i := range 20 {
					gone = append(gone, r.event(fmt.Sprint("gone", i), c.typ, "", ""))
					time.Sleep(time.Second)
					good := r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
					time.Sleep(2500 * time.Millisecond)
					r.within(c.op, 2*time.Second, good)
				}
				for _, id := range gone {
					if o := r.outcome(id); o.State != "pending" || o.Attempts != 0 {
						t.Errorf("%s: row %d is %s after %d attempts", c.op, id, o.word(), o.Attempts)
					}
				}
				if o := r.outcome(gone[0]); !strings.Contains(o.Note, "HubSpot does not allow") {
					t.Errorf("%s: the note is %q", c.op, o.Note)
				}
				if s := r.status(); s.State != breaker.Running || len(s.Refused) != 1 {
					t.Errorf("%s: status %s, refused %q", c.op, s.State, s.Refused)
				}
				if n := r.sim.Stats().Ops[c.op] + f.requests(); n > 5 {
					t.Errorf("%s: %d requests that are not allowed", c.op, n)
				}
				must(t, r.sim.SetFaults(""))
				f.mu.Lock()
				f.off = true
				f.mu.Unlock()
				r.stop() // an hour passes faster with a slow poll
				r.patient = true
				r.start()
				r.settled(2 * time.Hour)
				for _, id := range gone {
					r.want(id, "delivered")
				}
				if s := r.status(); len(s.Refused) != 0 {
					t.Errorf("%s: still refused: %q", c.op, s.Refused)
				}
			})
		}
	}
}

// One contact that HubSpot cannot bear, whatever is asked of it, stops nobody else.
func TestLanesOneBadContactStopsNobody(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"lead.updated", "lead.deleted", "lead.erased"} {
		for _, code := range testsize.Some(t, []int{400, 403, 404, 409, 500}, 2) {
			inBubble(t, hubspotsim.Config{Seed: 56, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3, second_look: 20s}", func(r *rig) {
				f := r.fails("nothing yet", code)
				first := r.event("bad", "lead.registered", "ada@example.com", `{}`)
				r.start()
				r.settled(time.Minute)
				f.mu.Lock()
				f.marker = `"` + r.outcome(first).Contact + `"`
				f.mu.Unlock()
				r.event("bad", typ, "", `{"firstname":"New"}`)
				for i := range 30 {
					time.Sleep(time.Duration(i%7) * 1500 * time.Millisecond)
					good := r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
					time.Sleep(2500 * time.Millisecond)
					r.within(fmt.Sprint(typ, " ", code), 2*time.Second, good)
				}
				if n := f.requests(); n > 100 {
					t.Errorf("%s %d: %d requests about the bad contact", typ, code, n)
				}
			})
		}
	}
}

// Lead ids that differ in case alone are looked up and served, both of them, and nobody waits for them.
func TestLanesIDsThatDifferInCase(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "fill_empty"} { // the second one looks up before it writes
		inBubble(t, hubspotsim.Config{Seed: 57, Latency: 10 * time.Millisecond, Properties: leadKey},
			"mapping: {id_property: lead_key, fields: [{lead: company, contact: company, direction: both, winner: "+winner+"}]}", func(r *rig) {
				var all []int64
				for i, id := range []string{"Ab", "aB", "AB", "ab", "other"} {
					all = append(all, r.event(id, "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"company":"C"}`))
				}
				r.start()
				time.Sleep(5 * time.Second)
				r.within(winner, 3*time.Second, all...)
				for i, id := range []string{"Ab", "aB", "AB", "ab", "other"} {
					r.wantContact(fmt.Sprintf("p%d@example.com", i), map[string]string{"lead_key": id})
				}
			})
	}
}

// Where the subscription types cannot be read, those wait that are about to lose an address, and nobody beside them.
func TestLanesSubscriptionTypesUnread(t *testing.T) {
	t.Parallel()
	yaml := `mapping: {fields: [{lead: company, contact: company, direction: both, winner: hubspot}]}`
	for _, fault := range []string{"500", "400", "cut"} {
		consentTest(t, yaml, hubspotsim.Config{Seed: 54, Subscriptions: twoTypes}, func(r *rig) {
			for i := range 5 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"company":"A"}`)
			}
			r.start()
			r.settled(time.Minute)
			r.leave("p0@example.com", 2)
			must(t, r.sim.SetFaults("sub_definitions="+fault))
			first := r.nextID()
			r.events(func(insert func(lead, typ, email, properties string)) {
				insert("0", "lead.updated", "new@example.com", `{"company":"B"}`)
				for i := range 4 {
					insert(fmt.Sprint(i+1), "lead.updated", fmt.Sprintf("p%d@example.com", i+1), `{"company":"B"}`) // read before it is written
				}
			})
			time.Sleep(3 * time.Second)
			r.want(first, "pending")
			for i := range int64(4) {
				r.within(fault, 2*time.Second, first+1+i)
			}
			time.Sleep(time.Minute)
			must(t, r.sim.SetFaults(""))
			r.settled(5 * time.Minute)
			r.want(first, "delivered")
			if got := r.sim.Status("new@example.com", 2); got != "UNSUBSCRIBED" {
				t.Errorf("%s: type 2 is %s at the new address", fault, got)
			}
		})
	}
}

// poisoned panics in the middle of a request that names a marker, as a defect of ours would.
type poisoned struct {
	inner  http.RoundTripper
	marker string
	met    *atomic.Int32
}

func (p poisoned) RoundTrip(req *http.Request) (*http.Response, error) {
	text := req.URL.String()
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		text += string(b)
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(b))
	}
	if strings.Contains(req.URL.Path, "communication-preferences") && strings.Contains(text, p.marker) {
		p.met.Add(1)
		panic("a defect")
	}
	return p.inner.RoundTrip(req)
}

// A panic of the unsubscribe lane costs the lead that causes it a bounded number of attempts, and nobody else anything.
func TestLanesUnsubscribePanic(t *testing.T) {
	t.Parallel()
	for _, faults := range []string{"", "sub_batch_all=403"} {
		consentTest(t, "push: {max_attempts: 3}", hubspotsim.Config{Seed: 55}, func(r *rig) {
			must(t, r.sim.SetFaults(faults))
			var met atomic.Int32
			r.base = func(next http.RoundTripper) http.RoundTripper { return poisoned{next, "p7", &met} }
			r.log = slog.New(slog.DiscardHandler)
			for i := range 20 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), "")
			}
			r.start()
			r.settled(time.Minute)
			bad := r.nextID() + 7
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 20 {
					insert(fmt.Sprint(i), "lead.unsubscribed", "", "")
				}
			})
			time.Sleep(5 * time.Second)
			for i := range int64(20) {
				if id := bad - 7 + i; id != bad {
					r.within("beside a panic", 3*time.Second, id)
				}
			}
			r.settled(48 * time.Hour)
			if o := r.want(bad, "dead/panic"); o.Attempts != 3 {
				t.Errorf("%d attempts", o.Attempts)
			}
			n := met.Load()
			time.Sleep(30 * time.Minute)
			if more := met.Load() - n; n > 10 || more > 2 { // the link still owes the opt-out: once an hour
				t.Errorf("asked %d times, and %d times in half an hour behind that", n, more)
			}
			r.out("p8@example.com")
		})
	}
}
