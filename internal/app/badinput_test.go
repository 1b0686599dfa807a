package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// Each bad row ends in its own state with its reason, none stops the lane, and a good row behind them is delivered.
func TestBadInput(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 20}, "", func(r *rig) {
		big := `{"note":"` + strings.Repeat("x", 10<<20) + `"}`
		long := strings.Repeat("läad", 2500)
		cases := []struct{ name, lead, typ, email, properties, want string }{
			{"broken JSON", "a1", "lead.registered", "a1@example.com", `{"firstname":`, "dead/invalid_json"},
			{"an array", "a2", "lead.registered", "a2@example.com", `["firstname"]`, "dead/not_an_object"},
			{"a bare string", "a3", "lead.registered", "a3@example.com", `"x"`, "dead/not_an_object"},
			{"nested object", "a4", "lead.registered", "a4@example.com", `{"address":{"city":"London"}}`, "dead/nested_value"},
			{"nested array", "a5", "lead.registered", "a5@example.com", `{"tags":["a"]}`, "dead/nested_value"},
			{"10 MB of properties", "a6", "lead.registered", "a6@example.com", big, "dead/too_large"},
			{"unknown type", "a7", "lead.exploded", "a7@example.com", `{}`, "dead/unknown_event_type"},
			{"no lead id", "", "lead.registered", "a8@example.com", `{}`, "dead/missing_lead_id"},
			{"lead id of 10,000 characters", long, "lead.registered", "a9@example.com", `{}`, "dead/lead_id_too_long"},
			{"no at sign", "a10", "lead.registered", "not an address", `{}`, "dead/invalid_email"},
			{"two at signs", "a11", "lead.registered", "a@b@example.com", `{}`, "dead/invalid_email"},
			{"quoted local part", "a12", "lead.registered", `"a b"@example.com`, `{}`, "dead/invalid_email"},
			{"no address at all", "a13", "lead.registered", "", `{"firstname":"F"}`, "pending"},
			{"capitals and spaces", "a14", "lead.registered", "  A14@EXAMPLE.Com ", `{"firstname":"F"}`, "delivered"},
			{"emoji and right-to-left", "🦄 שלום", "lead.registered", "a15@example.com", `{"firstname":"👩‍🚀 שָׁלוֹם","lastname":"مرحبا"}`, "delivered"},
			{"a number where an option is expected", "a16", "lead.registered", "a16@example.com", `{"firstname":"F","lifecyclestage":42}`, "delivered"},
			{"only a number where an option is expected", "a16", "lead.updated", "", `{"lifecyclestage":42}`, "dead/invalid_property"},
			{"null clears", "a14", "lead.updated", "", `{"firstname":null}`, "delivered"},
			{"duplicate keys", "a17", "lead.registered", "a17@example.com", `{"firstname":"A","firstname":"B"}`, "delivered"},
			{"control characters", "a18", "lead.registered", "a18@example.com", `{"firstname":"a\u0000b"}`, "dead/invalid_text"},
			{"hostile text", "a19", "lead.registered", "a19@example.com", `{"firstname":"'; DROP TABLE lead_outbox; --","lastname":"<script>\"}]}"}`, "delivered"},
			{"deep nesting", "a20", "lead.registered", "a20@example.com", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "dead/nested_value"},
			{"empty properties", "a21", "lead.registered", "a21@example.com", ``, "delivered"},
			{"a value over HubSpot's limit", "a22", "lead.registered", "a22@example.com", `{"firstname":"F","message":"` + strings.Repeat("y", 70_000) + `"}`, "delivered"},
			{"properties as JSON null", "a23", "lead.registered", "a23@example.com", `null`, "dead/not_an_object"},
			{"1 MB of address", "a25", "lead.registered", strings.Repeat(" ", 1<<20) + "a25@example.com", `{}`, "dead/too_large"},
			{"1 MB of lead id", strings.Repeat("l", 1<<20), "lead.registered", "a26@example.com", `{}`, "dead/lead_id_too_long"},
			{"1 MB of event type", "a27", strings.Repeat("t", 1<<20), "a27@example.com", `{}`, "dead/unknown_event_type"},
			{"NUL in the lead id", "a\x0024", "lead.registered", "a24@example.com", `{}`, "dead/invalid_text"},
		}
		ids := make([]int64, len(cases))
		for i, c := range cases {
			ids[i] = r.event(c.lead, c.typ, c.email, c.properties)
		}
		good := r.event("good", "lead.registered", "good@example.com", `{"firstname":"Good"}`)
		r.start()
		time.Sleep(30 * time.Second)
		for i, c := range cases {
			if o := r.outcome(ids[i]); o.word() != c.want {
				t.Errorf("%s: %s (note %q), want %s", c.name, o.word(), o.Note, c.want)
			} else if strings.ContainsAny(o.Note, "@") || len(o.Note) > 500 {
				t.Errorf("%s: note %q", c.name, o.Note)
			}
		}
		r.want(good, "delivered")
		r.wantContact("a14@example.com", map[string]string{"firstname": ""})
		r.wantContact("a15@example.com", map[string]string{"firstname": "👩‍🚀 שָׁלוֹם", "lastname": "مرحبا"})
		r.wantContact("a17@example.com", map[string]string{"firstname": "B"})
		if o := r.outcome(ids[12]); o.Note != "waits for an address" {
			t.Errorf("the row without an address has note %q", o.Note)
		}
		// A row that brings the address takes the waiting one along.
		brings := r.event("a13", "lead.updated", "a13@example.com", `{"lastname":"L"}`)
		time.Sleep(10 * time.Second)
		r.want(ids[12], "delivered")
		r.want(brings, "delivered")
		r.wantContact("a13@example.com", map[string]string{"firstname": "F", "lastname": "L"})
	})
}

// One lead with 5,000 pending rows costs a handful of requests and ends as the fold of all of them.
func TestManyRowsOfOneLead(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 21, Latency: 10 * time.Millisecond}, "", func(r *rig) {
		r.events(func(insert func(lead, typ, email, properties string)) {
			insert("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			for i := range 5000 {
				insert("1", "lead.updated", "ada@example.com", fmt.Sprintf(`{"company":"C%d"}`, i))
			}
		})
		other := r.event("2", "lead.registered", "bob@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		r.want(other, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "C4999"})
		st := r.sim.Stats()
		t.Logf("%d requests, %d writes", st.Requests, st.WriteRequests)
		if st.WriteRequests > 10 || st.Contacts != 2 {
			t.Errorf("%d write requests for 5,000 rows of one lead, %d contacts", st.WriteRequests, st.Contacts)
		}
	})
}
