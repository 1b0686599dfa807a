package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// A contact that an operator leaves alone keeps its address out of the erase, from the tombstones on to the wipe: what
// the application was told of it stays, and a lead that comes with the address is delivered.
func TestG9EraseSparesWhomItLeaves(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, everyMinute, func(r *rig, _ hubspotsim.Target) {
		r.event("1", "lead.updated", "countess@example.org", "")
		r.settled(time.Minute)
		other, err := r.sim.Create(map[string]string{"email": "ada@example.com"})
		must(t, err)
		time.Sleep(10 * time.Minute)
		id := r.event("1", "lead.erased", "", "")
		r.settled(time.Hour)
		r.want(id, "dead/shared_contact") // the lead had the address
		r.operator(func(db *store.DB) error {
			row, leave := outbox.EntryID(id), []store.ContactWord{{Contact: lead.ContactID(other)}}
			if err := db.Operator().SayOfContacts(context.Background(), row, leave); err != nil {
				return err
			}
			_, err := db.Operator().Requeue(context.Background(), store.Selection{IDs: []outbox.EntryID{row}})
			return err
		})
		r.erased(id)
		r.wantTold(`contact.created {}`)
		if in := r.inbox(); len(in) == 1 && (in[0].Contact != other || in[0].Email != "ada@example.com") {
			t.Errorf("what was told of the other one is %+v", in[0])
		}
		reg := r.event("2", "lead.registered", "ada@example.com", `{"name":"Other"}`)
		r.settled(time.Minute)
		r.want(reg, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Other"})
	})
}

// Another lead's create is under way for an address that the erased lead had: the erase waits for its answer, and the
// contact is the other lead's, of whom nobody need be asked. Afterwards the address is free again.
func TestG9EraseWaitsForAnotherLeadsCreate(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 414}, "", func(r *rig) {
		r.base = func(inner http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := inner.RoundTrip(req)
				if strings.HasSuffix(req.URL.Path, "/batch/create") {
					time.Sleep(5 * time.Second)
				}
				return resp, err
			})
		}
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		r.event("1", "lead.updated", "countess@example.org", "")
		r.settled(time.Minute)
		reg := r.event("2", "lead.registered", "ada@example.com", `{"firstname":"Other"}`)
		time.Sleep(2 * time.Second)
		if r.want(reg, "pending"); r.contact("ada@example.com") == nil {
			t.Fatal("the contact was not made")
		}
		id := r.event("1", "lead.erased", "", "")
		r.erased(id)
		r.want(reg, "delivered")
		upd := r.event("2", "lead.updated", "", `{"city":"Paris"}`)
		r.settled(time.Minute)
		r.want(upd, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Other", "city": "Paris"})
	})
}

// The owner before was cut off with a create under way, which HubSpot executes after the second look of an erase that
// did not wait: the erase begins when that request can no longer be executed, and the contact goes.
func TestG9EraseWaitsForTheOwnerBefore(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 415}, "{hubspot: {timeout: 3m}, push: {second_look: 1m}}", func(r *rig) {
		must(t, r.sim.SetFaults("batch_create=late:150sx1"))
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		time.Sleep(time.Second)
		r.stop()
		if len(r.sim.Contacts()) > 0 {
			t.Fatal("the create was executed too early")
		}
		id := r.event("1", "lead.erased", "", "")
		r.start()
		r.erased(id)
		time.Sleep(5 * time.Minute)
		r.nobody()
	})
}
