package app

import (
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// An unsubscribe opts the contact's address out; told again it changes nothing and is delivered all the same.
func TestG7Unsubscribe(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"", "consent: {unsubscribe: [1, 2]}"} {
		consentTest(t, yaml, hubspotsim.Config{Seed: 700, Subscriptions: []hubspotsim.Subscription{{ID: 1, Name: "News"}, {ID: 2, Name: "Offers"}, {ID: 3, Name: "Service"}}}, func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			for range 2 {
				id := r.event("1", "lead.unsubscribed", "", "")
				time.Sleep(2 * time.Second)
				if o := r.want(id, "delivered"); o.Contact == "" {
					t.Error("the row does not name the contact")
				}
			}
			if yaml == "" {
				r.out("ada@example.com")
				return
			}
			for id, want := range map[int64]string{1: "UNSUBSCRIBED", 2: "UNSUBSCRIBED", 3: "NOT_SPECIFIED"} {
				if got := r.sim.Status("ada@example.com", id); got != want {
					t.Errorf("subscription %d is %s, want %s", id, got, want)
				}
			}
			r.notOut("ada@example.com")
		})
	}
}

// A person who is no contact is opted out, and becomes none by it.
func TestG7UnsubscribeWithoutContact(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 701}, func(r *rig) {
		r.start()
		id := r.event("1", "lead.unsubscribed", "Ada@Example.com", "")
		time.Sleep(2 * time.Second)
		r.want(id, "delivered")
		r.out("ada@example.com")
		if n := len(r.sim.Contacts()); n != 0 {
			t.Errorf("%d contacts", n)
		}
		later := r.event("1", "lead.updated", "", `{"firstname":"Ada"}`) // the lead is known by that address
		r.settled(time.Minute)
		r.want(later, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
		r.silentFrom(0)
	})
}

// An unsubscribe without an address is remembered, and carried out with the first address before there is a contact, in
// every order of the two rows.
func TestG7UnsubscribeBeforeAddress(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{true, false} {
		consentTest(t, "", hubspotsim.Config{Seed: 702}, func(r *rig) {
			if !together {
				r.start()
			}
			unsub := r.event("1", "lead.unsubscribed", "", "")
			if !together {
				time.Sleep(5 * time.Second)
				if o := r.want(unsub, "pending"); o.Note != "waits for an address" {
					t.Errorf("note %q", o.Note)
				}
			}
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			if together {
				r.start()
			}
			time.Sleep(10 * time.Second)
			r.want(unsub, "delivered")
			r.want(reg, "delivered")
			r.out("ada@example.com")
			r.silentFrom(0)
		})
	}
}

// registered and unsubscribed wait together: the contact is created opted out.
func TestG7CreatedOptedOut(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 703}, func(r *rig) {
		reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		unsub := r.event("1", "lead.unsubscribed", "", "")
		r.start()
		r.settled(time.Minute)
		r.want(reg, "delivered")
		r.want(unsub, "delivered")
		r.out("ada@example.com")
		r.silentFrom(0)
	})
}

// The opt-out belongs to the address, so it moves along with a change of address of ours, before the contact has the
// new one.
func TestG7AddressChange(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 704}, func(r *rig) {
		r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
		r.event("1", "lead.unsubscribed", "", "")
		r.start()
		r.settled(time.Minute)
		from := len(r.sim.ConsentLog())
		id := r.event("1", "lead.updated", "new@example.com", `{"company":"C"}`)
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.wantContact("new@example.com", map[string]string{"firstname": "Ada", "company": "C"})
		r.out("new@example.com")
		r.silentFrom(from)
	})
}

// A person opts out in HubSpot; the application, which does not know, changes the address: the contact's own opt-out is
// read before, the new address is opted out first, and the application is told.
func TestG7AddressChangeOfOptedOut(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 705}, func(r *rig) {
		r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		r.sim.Optout("old@example.com", true)
		from := len(r.sim.ConsentLog())
		id := r.event("1", "lead.updated", "new@example.com", `{"company":"C"}`)
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.out("new@example.com")
		r.silentFrom(from)
		if n := r.inboxed("contact.unsubscribed"); n != 1 {
			t.Errorf("the application is told %d times", n)
		}
	})
}

// An opted-out lead changes its address to one that another lead, or a contact nobody knows, has: nothing is posted for
// that address.
func TestG7AddressOfAnotherIsNotOptedOut(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		consentTest(t, "push: {max_attempts: 3}", hubspotsim.Config{Seed: 706}, func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.event("1", "lead.unsubscribed", "", "")
			if known {
				r.event("2", "lead.registered", "king@example.com", `{"firstname":"King"}`)
			} else {
				_, err := r.sim.Create(map[string]string{"email": "king@example.com"})
				must(t, err)
			}
			r.start()
			r.settled(time.Minute)
			id := r.event("1", "lead.updated", "king@example.com", `{"company":"C"}`)
			r.settled(48 * time.Hour)
			r.want(id, "dead/address_taken")
			r.notOut("king@example.com")
			r.out("ada@example.com")
			r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
		})
	}
}

// An unsubscribe that carries fields and an address is delivered when both have arrived, not before.
func TestG7FieldsFollow(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 707}, func(r *rig) {
		r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.SetFaults("batch_update=500"))
		id := r.event("1", "lead.unsubscribed", "new@example.com", `{"company":"C"}`)
		time.Sleep(20 * time.Second)
		r.want(id, "pending")
		r.out("old@example.com")
		from := len(r.sim.ConsentLog())
		must(t, r.sim.SetFaults(""))
		r.settled(10 * time.Minute)
		r.want(id, "delivered")
		r.out("new@example.com")
		r.wantContact("new@example.com", map[string]string{"company": "C"})
		r.silentFrom(from)
	})
}

// The other fields of an unsubscribe are bad: the row is dead of them, and its word is carried out all the same.
func TestG7BadFieldsDoNotKeepAnOptOut(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 708}, func(r *rig) {
		r.start()
		for i, properties := range []string{`{"a":`, `[1]`, `{"a":{"b":1}}`} {
			address := string(rune('a'+i)) + "@example.com"
			id := r.event(address, "lead.unsubscribed", address, properties)
			time.Sleep(2 * time.Second)
			if o := r.outcome(id); o.State != "dead" {
				t.Errorf("%s: %s", properties, o.word())
			}
			r.out(address)
		}
	})
}

// Two leads share a person after a merge in HubSpot: an unsubscribe of the lead that lost its contact counts for the
// address that was kept, too.
func TestG7UnsubscribeAfterMerge(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 709}, func(r *rig) {
		r.event("1", "lead.registered", "kept@example.com", "")
		r.event("2", "lead.registered", "lost@example.com", "")
		r.start()
		r.settled(time.Minute)
		_, err := r.sim.Merge(hubspotsim.Target{Email: "kept@example.com"}, hubspotsim.Target{Email: "lost@example.com"})
		must(t, err)
		r.event("1", "lead.updated", "", `{"company":"C"}`)
		r.event("2", "lead.updated", "", `{"company":"D"}`)
		r.settled(10 * time.Minute)
		id := r.event("2", "lead.unsubscribed", "", "")
		time.Sleep(2 * time.Second)
		r.want(id, "delivered")
		r.out("lost@example.com")
		r.out("kept@example.com")
	})
}

// A lead that is out loses its contact in a merge: from then on the person is mailed at the other contact's address,
// which is opted out without any row.
func TestG7MergeOfOptedOut(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 714}, func(r *rig) {
		r.event("1", "lead.registered", "kept@example.com", "")
		r.event("2", "lead.registered", "lost@example.com", "")
		r.event("2", "lead.unsubscribed", "", "")
		r.start()
		r.settled(time.Minute)
		_, err := r.sim.Merge(hubspotsim.Target{Email: "kept@example.com"}, hubspotsim.Target{Email: "lost@example.com"})
		must(t, err)
		r.event("1", "lead.updated", "", `{"company":"C"}`)
		r.event("2", "lead.updated", "", `{"company":"D"}`)
		r.settled(10 * time.Minute)
		time.Sleep(5 * time.Second)
		r.out("kept@example.com")
	})
}

// The present address of an opted-out lead changes behind our back (a pull brings it): the lane has work without any
// row.
func TestG7AddressChangedInHubSpot(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 710}, func(r *rig) {
		r.event("1", "lead.registered", "old@example.com", "")
		r.event("1", "lead.unsubscribed", "", "")
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.Edit(hubspotsim.Target{Email: "old@example.com"}, map[string]string{"email": "new@example.com"}))
		r.event("1", "lead.registered", "", `{"firstname":""}`) // asks for a reading: what stands there was never heard of
		r.settled(time.Minute)
		time.Sleep(2 * time.Second)
		r.out("new@example.com")
	})
}

// A resubscribe needs the configuration's leave and evidence that is newer than every opt-out, whoever spoke it; else
// it is consent_refused and no SUBSCRIBED is sent.
func TestG7Resubscribe(t *testing.T) {
	t.Parallel()
	const allow = "consent: {resubscribe: allow, legal_basis: CONSENT_WITH_NOTICE, explanation: asked on the form}"
	for name, c := range map[string]struct {
		yaml   string
		before func(r *rig)
		event  func(r *rig) int64
		want   string
	}{
		"not allowed": {event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", evidenceOf(0)) }, want: "skipped/consent_refused"},
		"no evidence": {yaml: allow, event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", "") }, want: "skipped/consent_refused"},
		"evidence without a source": {yaml: allow, event: func(r *rig) int64 {
			return r.word("1", "lead.resubscribed", `{"consent":{"at":"2026-01-01T00:00:00Z"}}`)
		}, want: "skipped/consent_refused"},
		"evidence older than the opt-out": {yaml: allow, event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", evidenceOf(time.Hour)) },
			want: "skipped/consent_refused"},
		"evidence from the future counts as of now": {yaml: allow, before: func(r *rig) {},
			event: func(r *rig) int64 {
				id := r.word("1", "lead.resubscribed", evidenceOf(-time.Hour))
				r.sim.Optout("ada@example.com", false)
				r.sim.Optout("ada@example.com", true)
				return id
			}, want: "skipped/consent_refused"},
		"opted out in HubSpot after the evidence": {yaml: allow, before: func(r *rig) {
			r.sim.Optout("ada@example.com", false)
			time.Sleep(time.Hour)
			r.sim.Optout("ada@example.com", true)
		}, event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", evidenceOf(30*time.Minute)) }, want: "skipped/consent_refused"},
		"another lead has opted the address out": {yaml: allow, before: func(r *rig) {
			r.event("2", "lead.unsubscribed", "ada@example.com", "")
			time.Sleep(time.Minute)
		}, event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", evidenceOf(0)) }, want: "skipped/consent_refused"},
		"newer evidence": {yaml: allow, event: func(r *rig) int64 { return r.word("1", "lead.resubscribed", evidenceOf(0)) }, want: "delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			consentTest(t, c.yaml, hubspotsim.Config{Seed: 711, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", "")
				r.word("1", "lead.unsubscribed", "")
				r.start()
				r.settled(time.Minute)
				time.Sleep(10 * time.Minute)
				if c.before != nil {
					c.before(r)
				}
				id := c.event(r)
				r.settled(time.Minute)
				o := r.want(id, c.want)
				if c.want == "delivered" {
					r.notOut("ada@example.com")
					for _, e := range r.sim.ConsentLog() {
						if e.Status == "SUBSCRIBED" && e.Kind == hubspotsim.ConsentStatus && (!strings.Contains(e.Explanation, "form on example.com") || e.LegalBasis != "CONSENT_WITH_NOTICE") {
							t.Errorf("sent with %q, %q", e.LegalBasis, e.Explanation)
						}
					}
					return
				}
				r.out("ada@example.com")
				if n := r.subscribes(); n != 0 {
					t.Errorf("%d SUBSCRIBED were sent (note %q)", n, o.Note)
				}
			})
		})
	}
}

// In the fold the last word by outbox id counts: a person who unsubscribed and came back while the daemon was away is
// in, and the other way round is out; an older word that is put back in later undoes nothing.
func TestG7LastWordWins(t *testing.T) {
	t.Parallel()
	const allow = "consent: {resubscribe: allow}"
	consentTest(t, allow, hubspotsim.Config{Seed: 712, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
		r.event("1", "lead.registered", "in@example.com", "")
		r.event("2", "lead.registered", "out@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.stop()
		out1 := r.word("1", "lead.unsubscribed", "")
		time.Sleep(time.Minute)
		in1 := r.word("1", "lead.resubscribed", evidenceOf(0))
		in2 := r.word("2", "lead.resubscribed", evidenceOf(0))
		time.Sleep(time.Minute)
		out2 := r.word("2", "lead.unsubscribed", "")
		time.Sleep(time.Hour)
		r.start()
		r.settled(time.Minute)
		r.notOut("in@example.com")
		r.out("out@example.com")
		r.want(out2, "delivered")
		r.want(in2, "skipped/overtaken")
		t.Log(r.outcome(out1).word(), r.outcome(in1).word())
		for _, id := range []int64{in2, out1} { // an operator puts them back
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'pending', reason = NULL, settled_at = NULL WHERE id = ?`, id)
			must(t, err)
		}
		r.settled(time.Minute)
		r.out("out@example.com")
		r.want(in2, "skipped/overtaken")
	})
}

// HubSpot carries a SUBSCRIBED out after our time-out, and after the opt-out that came behind it: the opt-out is posted
// again and read back.
func TestG7OptOutAfterUnknownResubscribe(t *testing.T) {
	t.Parallel()
	consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 713, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", "")
		r.word("1", "lead.unsubscribed", "")
		r.start()
		r.settled(time.Minute)
		time.Sleep(time.Minute)
		must(t, r.sim.SetFaults("sub_write=late:40sx1")) // carried out 25 s after our time-out
		in := r.word("1", "lead.resubscribed", evidenceOf(0))
		time.Sleep(2 * time.Second)
		out := r.word("1", "lead.unsubscribed", "")
		time.Sleep(20 * time.Second)
		r.want(out, "delivered")
		r.want(in, "skipped/overtaken")
		time.Sleep(5 * time.Minute)
		if r.subscribes() == 0 {
			t.Fatal("the SUBSCRIBED was never carried out: the test proves nothing")
		}
		r.out("ada@example.com")
	})
}
