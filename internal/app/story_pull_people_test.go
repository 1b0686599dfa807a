package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/pull"
	"leadsync/internal/testsize"
)

// everyMinute has every stream look each minute, and contacts that the application does not know told.
const everyMinute = "pull: {unknown: inbox, schedule: '@every 1m', lagged_schedule: '@every 1m', optout_schedule: '@every 1m', archived_schedule: '@every 1m'}\n" + pullMapping

// keeps is a HubSpot that answers a privacy deletion well and goes on to show the contact, as it may for 30 days.
type keeps struct{ http.RoundTripper }

func (k keeps) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/gdpr-delete") {
		return k.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: io.NopCloser(&bytes.Reader{}), Request: r}, nil
}

// nameless fails the test when the inbox or the table of strangers names the contact, the lead or the address.
func (r *rig) nameless(words ...string) {
	r.t.Helper()
	for _, i := range r.inbox() {
		if slices.Contains(words, i.Lead) || slices.Contains(words, i.Contact) || slices.Contains(words, i.Email) {
			r.t.Errorf("the inbox tells %s of somebody who was erased", i.Type)
		}
	}
	for _, w := range words {
		var n int
		must(r.t, r.db.QueryRow(`SELECT count(*) FROM leadsync_strangers WHERE contact_id = ? OR address = ?`, w, w).Scan(&n))
		if n > 0 {
			r.t.Errorf("%d contacts without a lead are somebody who was erased", n)
		}
	}
}

// Somebody who was erased comes back neither as a contact that nobody knows nor as a change, as long as HubSpot goes on
// to show the contact, and not under an address of theirs either.
func TestStoryPullErasedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 511}, everyMinute, func(r *rig) {
		r.patient, r.pull = true, true
		r.base = func(inner http.RoundTripper) http.RoundTripper { return keeps{inner} }
		r.start()
		r.event(person, "lead.registered", "countess@example.org", `{"name":"Ada"}`)
		r.settled(time.Minute)
		r.event(person, "lead.updated", "ada.lovelace@example.com", `{"firm":"Engines"}`)
		r.settled(time.Minute)
		id := r.inboxContact("ada.lovelace@example.com")
		time.Sleep(5 * time.Minute)
		r.erased(r.event(person, "lead.erased", "", ""))
		must(t, r.sim.Edit(hubspotsim.Target{ID: id}, map[string]string{"company": "Looms", "city": "Turin"}))
		r.sim.Optout("ada.lovelace@example.com", true)
		time.Sleep(10 * time.Minute)
		must(t, r.sim.Edit(hubspotsim.Target{ID: id}, map[string]string{"email": "augusta@example.net"}))
		again, err := r.sim.Create(map[string]string{"email": "countess@example.org", "company": "Looms"})
		must(t, err)
		time.Sleep(2 * time.Hour)
		must(t, r.sim.Archive(hubspotsim.Target{ID: id}))
		time.Sleep(time.Hour)
		must(t, r.sim.Restore(hubspotsim.Target{ID: id}))
		time.Sleep(time.Hour)
		r.nameless(person, id, again, "ada.lovelace@example.com", "augusta@example.net", "countess@example.org")
		_, err = r.sim.Create(map[string]string{"email": "sam@example.com"}) // others are told
		must(t, err)
		time.Sleep(time.Hour)
		r.wantTold(`contact.created {}`)
	})
}

// pausing stops one stream for half an hour behind a call of its store.
type pausing struct {
	pull.Store
	*pausePoints
}

type pausePoints struct {
	mu    sync.Mutex
	armed bool
	at, n int
	begun chan struct{}
}

func (p *pausePoints) pass() {
	p.mu.Lock()
	p.n++
	stop := p.armed && p.n == p.at
	p.mu.Unlock()
	if stop {
		close(p.begun)
		time.Sleep(30 * time.Minute) // longer than an erase goes on to look at a contact that HubSpot still shows
	}
}

func (s pausing) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	links, err := s.Store.LinksByContact(ctx, hubID, contacts)
	s.pass()
	return links, err
}

func (s pausing) Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	links, err := s.Store.Strangers(ctx, hubID, contacts)
	s.pass()
	return links, err
}

func (s pausing) PendingAddresses(ctx context.Context, addresses []string) ([]string, error) {
	found, err := s.Store.PendingAddresses(ctx, addresses)
	s.pass()
	return found, err
}

// A page that was read before an erase and is applied after it tells nothing of the person: a lead's contact, one that
// the application was told as nobody's, and one that it does not know yet.
func TestStoryPullPageFromBeforeTheErase(t *testing.T) {
	t.Parallel()
	const address = "ada.lovelace@example.com"
	for _, who := range []string{"lead", "stranger", "unknown"} {
		t.Run(who, func(t *testing.T) {
			reached := 0
			for at := 1; at < 20; at += testsize.Of(1, 3) {
				begun := false
				inBubble(t, hubspotsim.Config{Seed: 512}, strings.ReplaceAll(everyMinute, "lagged_schedule: '@every 1m', optout_schedule: '@every 1m', archived_schedule: '@every 1m'",
					"lagged_schedule: '@yearly', optout_schedule: '@yearly', archived_schedule: '@yearly'"), func(r *rig) {
					r.patient, r.pull = true, true
					r.base = func(inner http.RoundTripper) http.RoundTripper { return keeps{inner} }
					p := &pausePoints{at: at, begun: make(chan struct{})}
					r.betweenPull = func(s pull.Store) pull.Store { return pausing{s, p} }
					r.start()
					time.Sleep(5 * time.Minute)
					id := ""
					switch who {
					case "lead":
						r.event(person, "lead.registered", address, `{"name":"Ada","firm":"Engines"}`)
						r.settled(time.Minute)
						id = r.inboxContact(address)
					default:
						var err error
						id, err = r.sim.Create(map[string]string{"email": address, "company": "Engines"})
						must(t, err)
					}
					if who != "unknown" {
						time.Sleep(5 * time.Minute)
						must(t, r.sim.Edit(hubspotsim.Target{ID: id}, map[string]string{"company": "Looms"}))
					}
					p.mu.Lock()
					p.armed, p.n = true, 0
					p.mu.Unlock()
					select {
					case <-p.begun:
						begun = true
					case <-time.After(5 * time.Minute):
					}
					row := r.event(person, "lead.erased", address, "")
					if who != "lead" { // nothing shows that the contact is this person's, and an operator says so
						r.settled(time.Minute)
						r.want(row, "dead/shared_contact")
						r.retryAlso(row, id)
					}
					r.erased(row)
					time.Sleep(time.Hour)
					r.nameless(person, id, address)
				})
				if !begun || t.Failed() {
					break
				}
				reached++
			}
			if reached < testsize.Of(4, 2) {
				t.Errorf("a page was stopped at %d moments", reached)
			}
			t.Logf("stopped at %d moments", reached)
		})
	}
}

// An erase that HubSpot refuses leaves a lead of whom nothing is told.
func TestStoryPullRefusedEraseStaysSilent(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, "push: {max_attempts: 2}\n"+everyMinute, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.SetFaults("gdpr_delete=400"))
		id := r.event("1", "lead.erased", "", "")
		r.settled(time.Hour)
		r.want(id, "dead/refused")
		must(t, r.sim.Edit(ada, map[string]string{"company": "Looms"}))
		r.sim.Optout("ada@example.com", true)
		time.Sleep(2 * time.Hour)
		must(t, r.sim.Archive(ada))
		time.Sleep(time.Hour)
		r.wantTold()
	})
}

// The application's own delete does not come back, whether the contact was a lead's or one that was told as nobody's,
// nor after a new life began, nor when people take the contact out of the bin and go on with it.
func TestStoryPullOwnDeleteIsNotTold(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, everyMinute, func(r *rig, _ hubspotsim.Target) {
		ada := hubspotsim.Target{ID: r.inboxContact("ada@example.com")}
		r.event("1", "lead.deleted", "", "")
		r.settled(time.Minute)
		time.Sleep(time.Hour)
		must(t, r.sim.Restore(ada))
		time.Sleep(time.Hour)
		must(t, r.sim.Edit(ada, map[string]string{"company": "Looms"}))
		time.Sleep(time.Hour)
		r.wantTold()
	})
	for _, newLife := range []bool{false, true} {
		inPull(t, hubspotsim.Config{}, everyMinute, func(r *rig, _ hubspotsim.Target) {
			sam, err := r.sim.Create(map[string]string{"email": "sam@example.com"})
			must(t, err)
			time.Sleep(5 * time.Minute)
			r.wantTold(`contact.created {}`)
			must(t, r.sim.SetFaults("list=500")) // the sweep does not come in between
			del := r.event("2", "lead.deleted", "sam@example.com", "")
			r.settled(time.Minute)
			r.want(del, "dead/shared_contact") // a person says whose it is
			r.retryAlso(del, sam)
			r.settled(time.Minute)
			r.want(del, "delivered")
			if newLife {
				r.event("2", "lead.registered", "sam@example.com", `{"name":"Sam"}`)
				r.settled(time.Minute)
			}
			must(t, r.sim.SetFaults(""))
			time.Sleep(2 * time.Hour)
			r.wantTold(`contact.created {}`)
		})
	}
}

// A delete or an erase that waits, here for a person since there were more than a mistake may cost, has ended the life
// already: nothing of it is told.
func TestStoryPullWaitingDeleteIsSilent(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, "push: {max_deletes_per_hour: 1}\n"+everyMinute, func(r *rig, ada hubspotsim.Target) {
		r.event("2", "lead.registered", "bob@example.com", "")
		r.event("3", "lead.registered", "carol@example.com", "")
		r.settled(time.Minute)
		r.event("2", "lead.deleted", "", "")
		r.settled(time.Minute)
		del, erase := r.event("1", "lead.deleted", "", ""), r.event("3", "lead.erased", "", "")
		time.Sleep(time.Minute)
		must(t, r.sim.Edit(ada, map[string]string{"company": "Looms"}))
		must(t, r.sim.Edit(hubspotsim.Target{Email: "carol@example.com"}, map[string]string{"company": "Looms"}))
		time.Sleep(30 * time.Minute)
		must(t, r.sim.Archive(ada))
		must(t, r.sim.Archive(hubspotsim.Target{Email: "carol@example.com"}))
		time.Sleep(30 * time.Minute)
		r.want(del, "pending")
		r.want(erase, "pending")
		r.wantTold()
	})
}

// evidence are the addresses that the link of a lead has evidence for, with its word.
func (r *rig) evidence(lead string) (word, evidenced string) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT consent, coalesce(opt_out, '') FROM leadsync_links WHERE lead_id = ?`, lead).Scan(&word, &evidenced))
	return word, evidenced
}

// An opt-out that only the sweep can see becomes the state of the link: it is not posted back, it is no news twice, and
// an address that the application gives the person afterwards is opted out before the contact gets it.
func TestStoryPullOptOutIsTheLinksState(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, everyMinute, func(r *rig, _ hubspotsim.Target) {
		r.sim.Optout("ada@example.com", true)
		from, writes := len(r.sim.ConsentLog()), r.writes()
		time.Sleep(2 * time.Hour)
		r.wantTold(`1 contact.unsubscribed {}`)
		if word, evidenced := r.evidence("1"); word != "out" || !strings.Contains(evidenced, "ada@example.com") {
			t.Errorf("the link says %q with %q", word, evidenced)
		}
		if n := r.writes() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
		r.event("1", "lead.updated", "countess@example.com", `{"name":"Augusta"}`)
		r.settled(time.Minute)
		time.Sleep(time.Hour)
		r.out("countess@example.com")
		r.wantContact("countess@example.com", map[string]string{"firstname": "Augusta"})
		r.silentFrom(from)
		r.wantTold(`1 contact.unsubscribed {}`)
	})
	// A contact that nobody knows: told once, and the lead that adopts it is out from its first moment.
	inPull(t, hubspotsim.Config{}, everyMinute, func(r *rig, _ hubspotsim.Target) {
		_, err := r.sim.Create(map[string]string{"email": "sam@example.com"})
		must(t, err)
		time.Sleep(5 * time.Minute)
		r.sim.Optout("sam@example.com", true)
		from := len(r.sim.ConsentLog())
		time.Sleep(2 * time.Hour)
		r.wantTold(`contact.created {}`, `contact.unsubscribed {}`)
		r.event("2", "lead.registered", "sam@example.com", `{"name":"Sam"}`)
		r.settled(time.Minute)
		if word, evidenced := r.evidence("2"); word != "out" || !strings.Contains(evidenced, "sam@example.com") {
			t.Errorf("the link says %q with %q", word, evidenced)
		}
		r.event("2", "lead.updated", "samuel@example.com", "")
		r.settled(time.Minute)
		time.Sleep(time.Hour)
		r.out("samuel@example.com")
		r.silentFrom(from)
	})
}

// People change the address of somebody who is out, by the application's word or by HubSpot's: the new address is opted
// out as soon as pull has seen it, without any row, and also when the opt-out of it fails at first.
func TestStoryPullAssertsTheOptOutOfANewAddress(t *testing.T) {
	t.Parallel()
	type asserted struct{ name, yaml, faults string }
	all := []asserted{{"all", "", ""}, {"all, at the second try", "", "sub_all=500x1"}, {"one subscription", "consent: {unsubscribe: [1]}\n", ""}}
	for _, c := range testsize.Some(t, all, 1) {
		for _, theirs := range []bool{false, true} {
			if theirs && strings.Contains(c.yaml, "[1]") {
				continue // the sweep sees opt-outs of all e-mail alone
			}
			t.Run(fmt.Sprintf("%s theirs=%t", c.name, theirs), func(t *testing.T) {
				inPull(t, hubspotsim.Config{Subscriptions: []hubspotsim.Subscription{{ID: 1, Name: "News"}}}, c.yaml+everyMinute, func(r *rig, ada hubspotsim.Target) {
					if theirs {
						r.sim.Optout("ada@example.com", true)
						time.Sleep(5 * time.Minute)
					} else {
						r.word("1", "lead.unsubscribed", "")
						r.settled(time.Minute)
					}
					must(t, r.sim.SetFaults(c.faults))
					must(t, r.sim.Edit(ada, map[string]string{"email": "countess@example.com"}))
					time.Sleep(20 * time.Minute)
					if c.yaml == "" {
						r.out("countess@example.com")
					} else if s := r.sim.Status("countess@example.com", 1); s != "UNSUBSCRIBED" {
						t.Errorf("the new address is %s", s)
					}
					posts := r.writes()
					time.Sleep(3 * time.Hour)
					if n := r.writes() - posts; n != 0 {
						t.Errorf("%d writes after it was done", n)
					}
				})
			})
		}
	}
}
