package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// What a person left in HubSpot, all e-mail or single types, goes with them to a new address before a contact has it:
// configured or not, with a change of address, after a delete, and when people change the address in HubSpot.
func TestG7EveryFormGoesAlong(t *testing.T) {
	t.Parallel()
	three := append(slices.Clone(twoTypes), hubspotsim.Subscription{ID: 3, Name: "Service"})
	moves := map[string]func(r *rig) (address string){
		"updated": func(r *rig) string {
			r.event("1", "lead.updated", "new@example.com", "")
			return "new@example.com"
		},
		"deleted and registered": func(r *rig) string {
			r.event("1", "lead.deleted", "", "")
			r.event("1", "lead.registered", "new@example.com", "")
			return "new@example.com"
		},
		"read, then changed in HubSpot": func(r *rig) string {
			r.event("1", "lead.updated", "two@example.com", "") // reads
			r.settled(time.Minute)
			must(r.t, r.sim.Edit(hubspotsim.Target{Email: "two@example.com"}, map[string]string{"email": "new@example.com"}))
			r.event("1", "lead.registered", "", `{"company":""}`) // asks for a reading
			return "new@example.com"
		},
	}
	for _, yaml := range []string{"", "consent: {unsubscribe: [1]}", "consent: {unsubscribe: [1, 2]}"} {
		for _, left := range [][]int64{{0}, {1}, {2}, {3}, {1, 2}, {1, 3}, nil} {
			for name, move := range moves {
				consentTest(t, yaml, hubspotsim.Config{Seed: 770, Subscriptions: three}, func(r *rig) {
					r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
					r.start()
					r.settled(time.Minute)
					r.leave("ada@example.com", left...)
					address := move(r)
					r.settled(10 * time.Minute)
					time.Sleep(10 * time.Second)
					for _, id := range []int64{1, 2, 3} {
						want := "NOT_SPECIFIED"
						if slices.Contains(left, 0) || slices.Contains(left, id) {
							want = "UNSUBSCRIBED"
						}
						if got := r.sim.Status(address, id); got != want {
							t.Errorf("%q, left %v, %s: type %d is %s, want %s", yaml, left, name, id, got, want)
						}
					}
					if got, want := r.sim.OptedOut(address), slices.Contains(left, 0); got != want {
						t.Errorf("%q, left %v, %s: out of all e-mail %t", yaml, left, name, got)
					}
				})
			}
		}
	}
}

// leave makes a person leave types in HubSpot; 0 is all e-mail.
func (r *rig) leave(address string, types ...int64) {
	r.t.Helper()
	for _, id := range types {
		if id == 0 {
			r.sim.Optout(address, true)
			continue
		}
		must(r.t, r.sim.Subscribe(address, id, "UNSUBSCRIBED"))
	}
}

// An account that does not show the types as properties of the contact is asked for them by address.
func TestG7FormsWithoutProperties(t *testing.T) {
	t.Parallel()
	consentTest(t, "consent: {unsubscribe: [1]}", hubspotsim.Config{Seed: 771, Subscriptions: twoTypes}, func(r *rig) {
		r.base = func(next http.RoundTripper) http.RoundTripper { return hidden{next, "hs_email_optout_"} }
		r.event("1", "lead.registered", "ada@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.leave("ada@example.com", 1, 2)
		r.event("1", "lead.updated", "new@example.com", "")
		r.settled(10 * time.Minute)
		for _, id := range []int64{1, 2} {
			if got := r.sim.Status("new@example.com", id); got != "UNSUBSCRIBED" {
				t.Errorf("type %d is %s", id, got)
			}
		}
	})
}

// After a merge the person is mailed at the address of the contact that was kept: what the lead of the other one had
// left is left there too, by its own word and by what it left in HubSpot, through any number of merges.
func TestG7EveryFormAtTheSurvivor(t *testing.T) {
	t.Parallel()
	three := append(slices.Clone(twoTypes), hubspotsim.Subscription{ID: 3, Name: "Service"})
	for _, yaml := range []string{"", "consent: {unsubscribe: [1]}", "consent: {unsubscribe: [1, 2]}"} {
		for _, left := range [][]int64{{0}, {1}, {2}, {1, 3}, nil} {
			for _, word := range []bool{true, false} {
				consentTest(t, yaml, hubspotsim.Config{Seed: 772, Subscriptions: three}, func(r *rig) {
					r.event("1", "lead.registered", "kept@example.com", "")
					r.event("2", "lead.registered", "first@example.com", "")
					r.event("3", "lead.registered", "last@example.com", "")
					r.start()
					r.settled(time.Minute)
					r.leave("first@example.com", left...)
					r.event("2", "lead.updated", "lost@example.com", "") // reads
					if r.settled(time.Minute); word {
						r.word("2", "lead.unsubscribed", "")
						r.settled(time.Minute)
					}
					merge := func(kept, lost, keeps, loses string) {
						_, err := r.sim.Merge(hubspotsim.Target{Email: kept}, hubspotsim.Target{Email: lost})
						must(t, err)
						r.event(keeps, "lead.updated", "", `{"company":"C"}`)
						r.event(loses, "lead.updated", "", `{"company":"D"}`)
						r.settled(10 * time.Minute)
						time.Sleep(time.Minute)
					}
					merge("kept@example.com", "lost@example.com", "1", "2")
					r.wantForms("kept@example.com", yaml, left, word)
					merge("last@example.com", "kept@example.com", "3", "1")
					r.wantForms("last@example.com", yaml, left, word)
				})
			}
		}
	}
}

// wantForms holds an address against what a person has left of three types, and unsubscribed from by a word.
func (r *rig) wantForms(address, yaml string, left []int64, word bool) {
	r.t.Helper()
	all := slices.Contains(left, 0) || word && yaml == ""
	for _, id := range []int64{1, 2, 3} {
		want := "NOT_SPECIFIED"
		ours := word && (id == 1 || id == 2 && strings.Contains(yaml, "2"))
		if all || slices.Contains(left, id) || ours {
			want = "UNSUBSCRIBED"
		}
		if got := r.sim.Status(address, id); got != want {
			r.t.Errorf("%q, left %v, unsubscribed %t: type %d of %s is %s, want %s", yaml, left, word, id, address, got, want)
		}
	}
	if got := r.sim.OptedOut(address); got != all {
		r.t.Errorf("%q, left %v, unsubscribed %t: %s is out of all e-mail: %t", yaml, left, word, address, got)
	}
}
