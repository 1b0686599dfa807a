package app

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A lost answer at any write, in any of its forms, leads to a repeat that changes nothing more: one contact a lead, its
// values once.
func TestG3Converge(t *testing.T) {
	t.Parallel()
	all := []string{"lost", "drop:4", "late:3s", "cut", "hang", "502html", "524", "500", "noids", "empty200"}
	for _, fault := range testsize.Some(t, all, 3) {
		for _, op := range []string{"batch_create", "batch_update"} {
			for _, restart := range []bool{false, true} {
				name := fmt.Sprintf("%s %s restart=%t", op, fault, restart)
				inBubble(t, hubspotsim.Config{Seed: 7, Latency: 10 * time.Millisecond}, "", func(r *rig) {
					if op == "batch_update" {
						for i := range 8 {
							r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"First"}`)
						}
						r.start()
						r.settled(time.Minute)
						r.stop()
					}
					must(t, r.sim.SetFaults(op+"="+fault+"x1"))
					var ids []int64
					for i := range 8 {
						ids = append(ids, r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), fmt.Sprintf(`{"company":"C%d"}`, i)))
					}
					r.start()
					time.Sleep(time.Second)
					if restart {
						r.stop()
						r.start()
					}
					r.settled(time.Hour)
					for i, id := range ids {
						if o := r.outcome(id); o.State != "delivered" || o.Attempts > 1 {
							t.Errorf("%s: row %d is %s after %d attempts (%s)", name, id, o.word(), o.Attempts, o.Note)
						}
						r.wantContact(fmt.Sprintf("p%d@example.com", i), map[string]string{"company": fmt.Sprint("C", i)})
					}
					st := r.sim.Stats()
					if st.Contacts != 8 {
						t.Errorf("%s: %d contacts, want 8", name, st.Contacts)
					}
					if st.Unchanged != 0 {
						t.Errorf("%s: %d rows were written that held the values already", name, st.Unchanged)
					}
				})
			}
		}
	}
}

// The daemon dies between HubSpot's answer and the settlement: the next one finds the contact as it is.
func TestG3CrashBeforeSettle(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 8}, "", func(r *rig) {
		broken := errors.New("the machine is gone")
		crash := true
		r.base = func(inner http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if crash && strings.Contains(req.URL.Path, "/batch/") && req.Method == http.MethodPost {
					if resp, err := inner.RoundTrip(req); err == nil {
						resp.Body.Close() // applied, and nobody heard of it
					}
					return nil, broken
				}
				return inner.RoundTrip(req)
			})
		}
		a := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		b := r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
		r.start()
		time.Sleep(300 * time.Millisecond)
		r.stop()
		r.want(a, "pending")
		crash = false
		// The application goes on while the daemon is away: the address changes before the row that created the contact is
		// settled.
		c := r.event("1", "lead.updated", "ada.king@example.com", `{"company":"Engines"}`)
		r.start()
		r.settled(time.Hour)
		for _, id := range []int64{a, b, c} {
			r.want(id, "delivered")
		}
		if n := len(r.sim.Contacts()); n != 2 {
			t.Errorf("%d contacts, want 2", n)
		}
		r.wantContact("ada.king@example.com", map[string]string{"firstname": "Ada", "company": "Engines"})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
