package app

import (
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// lateWord inserts a row that speaks of consent as a transaction does that got its id earlier than it commits. address
// may be empty.
func (r *rig) lateWord(id int64, lead, typ, address string, at time.Time) {
	r.t.Helper()
	var mail any
	if address != "" {
		mail = address
	}
	_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, occurred_at, created_at) VALUES (?, ?, ?, ?, ?, ?)`, id, lead, typ, mail,
		at.UnixMilli(), at.UnixMilli())
	must(r.t, err)
}

// Out is out for every address that an unsubscribe names: each row is delivered when the address it names is out, and
// not with another row's.
func TestG7EveryAddressThatIsNamed(t *testing.T) {
	t.Parallel()
	for name, linked := range map[string]bool{"contact": true, "no contact": false} {
		for _, yaml := range []string{"", "consent: {unsubscribe: [1, 2]}"} {
			consentTest(t, yaml, hubspotsim.Config{Seed: 760, Subscriptions: twoTypes}, func(r *rig) {
				if linked {
					r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
					r.start()
					r.settled(time.Minute)
					r.stop()
				}
				first := r.event("1", "lead.unsubscribed", "one@example.com", "")
				second := r.event("1", "lead.unsubscribed", "two@example.com", "")
				r.start()
				r.settled(time.Minute)
				for _, id := range []int64{first, second} {
					if o := r.outcome(id); o.State != "delivered" && o.word() != "skipped/overtaken" {
						t.Errorf("%s: row %d is %s", name, id, o.word())
					}
				}
				r.outOfAll(yaml, "one@example.com", "two@example.com")
				if linked {
					r.outOfAll(yaml, "ada@example.com")
				}
			})
		}
	}
}

// One of two addresses is refused for good: its row is dead, the other one is out and delivered.
func TestG7EachAddressItsOwnFate(t *testing.T) {
	t.Parallel()
	for _, badFirst := range []bool{true, false} {
		consentTest(t, "", hubspotsim.Config{Seed: 761}, func(r *rig) {
			addresses := []string{"subfault-invalid-1@example.com", "two@example.com"}
			if !badFirst {
				addresses[0], addresses[1] = addresses[1], addresses[0]
			}
			a := r.event("1", "lead.unsubscribed", addresses[0], "")
			b := r.event("1", "lead.unsubscribed", addresses[1], "")
			if badFirst {
				a, b = b, a
			}
			r.start()
			r.settled(time.Minute)
			r.want(a, "delivered")
			r.want(b, "dead/invalid_email")
			r.out("two@example.com")
		})
	}
}

// An unsubscribe that names an address opts that address out, whoever has it: another lead, a contact nobody knows, or
// nobody. An address that another contact has is not written to the lead's own.
func TestG7NamedAddressWhoeverHasIt(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{"lead", "stranger", "second lead unlinked"} {
		for _, yaml := range []string{"push: {max_attempts: 3}", "{push: {max_attempts: 3}, consent: {unsubscribe: [1, 2]}}"} {
			consentTest(t, yaml, hubspotsim.Config{Seed: 762, Subscriptions: twoTypes}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				switch holder {
				case "lead":
					r.event("2", "lead.registered", "king@example.com", `{"firstname":"King"}`)
				case "stranger":
					_, err := r.sim.Create(map[string]string{"email": "king@example.com", "firstname": "King"})
					must(t, err)
				}
				r.start()
				r.settled(time.Minute)
				id := r.event("1", "lead.unsubscribed", "king@example.com", `{"company":"C"}`)
				time.Sleep(2 * time.Second)
				r.outOfAll(yaml, "king@example.com", "ada@example.com")
				r.settled(48 * time.Hour)
				o := r.want(id, "delivered")
				if holder == "second lead unlinked" {
					r.wantContact("king@example.com", map[string]string{"firstname": "Ada", "company": "C"})
					return
				}
				r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "C"})
				r.wantContact("king@example.com", map[string]string{"firstname": "King"})
				if o.Note == "" {
					t.Error("nothing says that the address stays with another contact")
				}
			})
		}
	}
}

// An unsubscribe that commits after a resubscribe was carried out counts as if the two had been read together: it is
// out when the evidence is not newer than it, in when it is, and an address of its own is out in any case.
func TestG7LateUnsubscribe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after   time.Duration // when the unsubscribe was spoken, after the evidence
		address string
		in, out []string
		want    string
	}{
		"newer":                         {after: time.Minute, out: []string{"ada@example.com"}, want: "delivered"},
		"the same moment":               {out: []string{"ada@example.com"}, want: "delivered"},
		"older":                         {after: -time.Minute, in: []string{"ada@example.com"}, want: "skipped/overtaken"},
		"older, naming the address":     {after: -time.Minute, address: "ada@example.com", in: []string{"ada@example.com"}, want: "skipped/overtaken"},
		"older, naming another address": {after: -time.Minute, address: "two@example.com", out: []string{"two@example.com"}, want: "skipped/overtaken,delivered"},
	} {
		consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 763, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
			r.patient = true
			r.event("1", "lead.registered", "ada@example.com", "")
			r.word("1", "lead.unsubscribed", "")
			r.start()
			r.settled(time.Minute)
			time.Sleep(time.Hour)
			evidence := time.Now().Truncate(time.Second)
			properties := evidenceOf(0)
			time.Sleep(10 * time.Minute)
			late := r.nextID()
			in := r.lateResubscribe(late+1, "1", properties)
			r.settled(time.Minute)
			r.want(in, "delivered")
			r.notOut("ada@example.com")
			r.lateWord(late, "1", "lead.unsubscribed", c.address, evidence.Add(c.after))
			r.settled(time.Minute)
			for _, a := range c.out {
				r.out(a)
			}
			for _, a := range c.in {
				r.notOut(a)
			}
			r.oneOf(late, c.want)
			t.Log(name)
		})
	}
}

// The doubt about a SUBSCRIBED ends by a reading after its last possible moment, not by the next word: not by its
// repeat, by the opt-out that follows, by one that a person makes in HubSpot, nor by one of another lead.
func TestG7DoubtOutlivesEveryWord(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(r *rig){
		"the lead's own":   func(r *rig) { r.want(r.settle(r.word("1", "lead.unsubscribed", "")), "delivered") },
		"another lead's":   func(r *rig) { r.want(r.settle(r.event("2", "lead.unsubscribed", "ada@example.com", "")), "delivered") },
		"naming it, moved": func(r *rig) { r.want(r.settle(r.event("1", "lead.unsubscribed", "two@example.com", "")), "delivered") },
	} {
		for _, repeat := range []bool{true, false} {
			consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 764, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", "")
				r.word("1", "lead.unsubscribed", "")
				r.start()
				r.settled(time.Minute)
				time.Sleep(time.Minute)
				must(t, r.sim.SetFaults("sub_write=late:80sx1")) // carried out long after our time-out
				in := r.word("1", "lead.resubscribed", evidenceOf(0))
				if repeat {
					r.settled(time.Minute)
					r.want(in, "delivered")
				} else {
					time.Sleep(time.Second)
				}
				before := r.subscribes()
				out(r)
				r.out("ada@example.com")
				time.Sleep(10 * time.Minute)
				if r.subscribes() == before {
					t.Fatal("the SUBSCRIBED was never carried out: the test proves nothing")
				}
				t.Log(name, repeat)
				r.out("ada@example.com")
			})
		}
	}
}

// A resubscribe that waits for an address holds nothing up, and goes on with the address that comes: however many of
// them wait, and whatever stands between.
func TestG7ResubscribeWaitsForAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after []string
	}{
		"one":                {},
		"behind a delete":    {before: []string{"lead.registered", "lead.deleted"}},
		"a delete behind it": {before: []string{"lead.registered", "lead.deleted"}, after: []string{"lead.deleted"}},
	} {
		for _, many := range []int{1, 2, 3} {
			consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 769, Subscriptions: twoTypes}, func(r *rig) {
				r.start()
				insert := func(types []string) {
					for _, typ := range types {
						r.event("1", typ, map[bool]string{true: "ada@example.com"}[typ == "lead.registered"], "")
						time.Sleep(5 * time.Second)
					}
				}
				insert(c.before)
				must(t, r.sim.Subscribe("two@example.com", 1, "UNSUBSCRIBED"))
				time.Sleep(time.Minute)
				for range many {
					r.word("1", "lead.resubscribed", evidenceOf(0))
				}
				time.Sleep(10 * time.Second)
				insert(c.after)
				r.event("1", "lead.registered", "two@example.com", "")
				r.settled(10 * time.Minute)
				if got := r.sim.Status("two@example.com", 1); got != "SUBSCRIBED" {
					t.Errorf("%s, %d: %s", name, many, got)
				}
			})
		}
	}
}

// A word that is done lets the fields of its row go, whatever address the row names: a resubscribe that was carried
// out, and an older unsubscribe behind it, which opts nobody out any more.
func TestG7DoneWordsLetTheirFieldsGo(t *testing.T) {
	t.Parallel()
	quirks := hubspotsim.Quirks{SubscribeAfterAll: "lifts"}
	consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 766, Quirks: quirks}, func(r *rig) {
		r.patient = true
		row := func(id int64, typ, properties string, at time.Time) {
			_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, properties, occurred_at, created_at)
  VALUES (?, '1', ?, 'ada@example.com', ?, ?, ?)`, id, typ, properties, at.UnixMilli(), at.UnixMilli())
			must(t, err)
		}
		r.event("1", "lead.registered", "ada@example.com", "")
		r.word("1", "lead.unsubscribed", "")
		r.start()
		r.settled(time.Minute)
		time.Sleep(time.Hour)
		before := time.Now()
		time.Sleep(10 * time.Minute)
		late := r.nextID()
		in := late + 1
		row(in, "lead.resubscribed", strings.TrimSuffix(evidenceOf(0), "}")+`,"company":"Engines"}`, time.Now())
		r.settled(time.Minute)
		r.want(in, "delivered")
		r.notOut("ada@example.com")
		row(late, "lead.unsubscribed", `{"city":"Paris"}`, before)
		r.settled(time.Minute)
		r.want(late, "delivered")
		r.notOut("ada@example.com")
		r.wantContact("ada@example.com", map[string]string{"company": "Engines", "city": "Paris"})
	})
}
