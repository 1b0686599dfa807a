package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// One bad row in a batch of 100: 99 delivered, one dead with HubSpot's code, at most 15 extra requests, with errors per
// row and with a refusal of the whole batch that names it or not.
func TestG6PoisonCostsLittle(t *testing.T) {
	t.Parallel()
	type test struct {
		kind, reason, note string
		at                 int
	}
	cases := []test{
		{"invalid", "dead/invalid_email", "INVALID_EMAIL", 57},
		{"refused", "dead/refused", "", 57},
		{"whole400named", "dead/invalid_email", "INVALID_EMAIL", 57},
	}
	for at := 0; at < 100; at += testsize.Of(7, 33) { // wherever the bad row stands
		cases = append(cases, test{"whole400", "dead/refused", "", at})
	}
	for _, c := range append(cases, test{"whole400", "dead/refused", "", 57}, test{"whole400", "dead/refused", "", 99}) {
		inBubble(t, hubspotsim.Config{Seed: 13, Latency: 10 * time.Millisecond}, "", func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			before := r.sim.Stats().Requests
			var bad int64
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 100 {
					email := fmt.Sprintf("p%d@example.com", i)
					if i == c.at {
						email = "fault-" + c.kind + "@example.com"
					}
					insert(fmt.Sprint(i), "lead.registered", email, `{"firstname":"F"}`)
				}
			})
			must(t, r.db.QueryRow(`SELECT id FROM lead_outbox WHERE lead_id = ?`, fmt.Sprint(c.at)).Scan(&bad))
			r.settled(time.Hour)
			if o := r.want(bad, c.reason); c.note != "" && !strings.Contains(o.Note, c.note) {
				t.Errorf("%s: note %q does not hold %s", c.kind, o.Note, c.note)
			} else if o.Correlation == "" {
				t.Errorf("%s: no correlation id", c.kind)
			}
			if got := r.counts(); got["delivered"] != 100 {
				t.Errorf("%s: %v", c.kind, got)
			}
			extra := r.sim.Stats().Requests - before - 1
			t.Logf("%s at %d: %d extra requests", c.kind, c.at, extra)
			if extra > 14 { // one of the 15 is left for the look-up that a second daemon, or a full window, may cost
				t.Errorf("%s at %d: %d extra requests, want at most 14", c.kind, c.at, extra)
			}
		})
	}
}

// Under "drop" a value that HubSpot refuses costs the row that value; under "dead" the row. The other rows go out
// either way.
func TestG6InvalidField(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"drop", "dead"} {
		inBubble(t, hubspotsim.Config{Seed: 14}, "push: {on_invalid_field: "+mode+"}", func(r *rig) {
			ok := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			bad := r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob","lifecyclestage":"nonsense","no_such_property":"x"}`)
			only := r.event("1", "lead.updated", "", `{"no_such_property":"x"}`)
			r.start()
			r.settled(time.Minute)
			r.want(ok, "delivered")
			if mode == "drop" {
				o := r.want(bad, "delivered")
				for _, part := range []string{"left out: ", "lifecyclestage (INVALID_OPTION)", "no_such_property (PROPERTY_DOESNT_EXIST)"} {
					if !strings.Contains(o.Note, part) {
						t.Errorf("note %q does not hold %q", o.Note, part)
					}
				}
				r.wantContact("bob@example.com", map[string]string{"firstname": "Bob"})
			} else {
				r.want(bad, "dead/invalid_property")
				if r.contact("bob@example.com") != nil {
					t.Error("the contact of a dead row is there")
				}
			}
			r.want(only, "dead/invalid_property")
		})
	}
}
