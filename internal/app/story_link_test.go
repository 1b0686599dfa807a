package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// Sales made and filled the contact before the application registered the lead. The first request must not overwrite
// what stands there where HubSpot wins, and what the application lacks reaches it once.
func TestStoryFirstWriteOverwritesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 221}, firmMapping("both", "hubspot"), func(r *rig) {
		contact := r.stranger(map[string]string{"email": "ada@example.com", "company": "Theirs", "hs_lead_status": "CONNECTED"})
		id := r.event("1", "lead.registered", "ada@example.com", `{"firm":"Ours"}`)
		r.start()
		r.settled(time.Minute)
		if o := r.want(id, "delivered"); o.Contact != contact {
			t.Errorf("on contact %s, want %s", o.Contact, contact)
		}
		r.wantContact("ada@example.com", map[string]string{"company": "Theirs", "hs_lead_status": "CONNECTED"})
		r.wantInbox(`contact.updated {"firm":{"value":"Theirs","was":null},"stage":{"value":"CONNECTED","was":null}}`)
		if st := r.sim.Stats(); st.Updated+st.Unchanged != 0 {
			t.Errorf("%d rows were written on a contact that lacks nothing", st.Updated+st.Unchanged)
		}
	})
}

// Two leads with one address, with and without a contact that
// sales made. One of them has the contact; the other writes nothing on it, not even what stands there already, hears
// nothing of it, and says at the end who has it.
func TestStoryTwoLeadsOneAddress(t *testing.T) {
	t.Parallel()
	for _, made := range []bool{false, true} {
		for _, equal := range []bool{false, true} {
			inBubble(t, hubspotsim.Config{Seed: 222}, firmMapping("both", "hubspot"), func(r *rig) {
				if made {
					r.stranger(map[string]string{"email": "ada@example.com", "company": "Theirs"})
				}
				second := `{"firm":"Two"}`
				if equal {
					second = `{"firm":"One"}`
				}
				a := r.event("1", "lead.registered", "ada@example.com", `{"firm":"One"}`)
				b := r.event("2", "lead.registered", "Ada@Example.com ", second)
				r.start()
				r.settled(24 * time.Hour)
				r.want(a, "delivered")
				if o := r.want(b, "dead/address_taken"); !strings.Contains(o.Note, r.outcome(a).Contact) {
					t.Errorf("note %q does not name contact %s", o.Note, r.outcome(a).Contact)
				}
				company := "One"
				if made {
					company = "Theirs"
					r.wantInbox(`contact.updated {"firm":{"value":"Theirs","was":null}}`)
					if in := r.inbox(); len(in) == 1 && in[0].Lead != "1" {
						t.Errorf("the inbox row is lead %s's", in[0].Lead)
					}
				} else {
					r.wantInbox()
				}
				r.wantContact("ada@example.com", map[string]string{"company": company})
				if st := r.sim.Stats(); st.Contacts != 1 || st.Unchanged != 0 {
					t.Errorf("made=%t equal=%t: %d contacts, %d writes that changed nothing", made, equal, st.Contacts, st.Unchanged)
				}
			})
		}
	}
}

// A linked lead moves to an address that a contact of sales has. It is not linked to that contact, its
// other fields go to its own, and nothing of either contact is told as news.
func TestStoryConflictNeverRelinks(t *testing.T) {
	t.Parallel()
	for _, quirk := range []string{"", "taken_is_400", "whole_400 named", "whole_400 unnamed"} {
		var q hubspotsim.Quirks
		setQuirk(&q, quirk)
		inBubble(t, hubspotsim.Config{Seed: 223, Quirks: q}, strings.Replace(firmMapping("both", "hubspot"), "3", "2", 1), func(r *rig) {
			reg := r.event("1", "lead.registered", "b@example.com", `{"firm":"One"}`)
			r.start()
			r.settled(time.Minute)
			stranger := r.stranger(map[string]string{"email": "d@example.com", "company": "Theirs"})
			mine := r.outcome(reg).Contact
			move := r.event("1", "lead.updated", "d@example.com", `{"name":"Ada"}`)
			r.settled(24 * time.Hour)
			o := r.want(move, "dead/address_taken")
			if o.Contact != mine || !strings.Contains(o.Note, stranger) || o.Attempts != 2 {
				t.Errorf("%q: contact %s, note %q, %d attempts", quirk, o.Contact, o.Note, o.Attempts)
			}
			r.wantContact("b@example.com", map[string]string{"company": "One", "firstname": "Ada"})
			r.wantContact("d@example.com", map[string]string{"company": "Theirs", "firstname": ""})
			r.wantInbox()
		})
	}
}

// One row of a lead gives a value that HubSpot refuses. It alone is dead, or goes without the value; the others of
// the lead are delivered, and the lead has its contact. HubSpot's refusal names the property, or refuses the whole
// batch naming it, or naming nothing.
func TestStoryPoisonStaysInItsRow(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"dead", "drop"} {
		for _, whole := range []string{"", "named", "unnamed"} {
			for _, linked := range []bool{false, true} {
				name := fmt.Sprintf("%s whole=%q linked=%t", mode, whole, linked)
				inBubble(t, hubspotsim.Config{Seed: 224, Quirks: hubspotsim.Quirks{Whole400: whole}}, "push: {on_invalid_field: "+mode+"}", func(r *rig) {
					r.event("warm", "lead.registered", "warm@example.com", `{}`)
					if linked {
						r.event("1", "lead.registered", "ada@example.com", `{}`)
					}
					r.start()
					r.settled(time.Minute)
					r.stop()
					before := r.event("1", "lead.updated", "", `{"city":"London"}`)
					reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
					bad := r.event("1", "lead.updated", "", `{"company":"Engines","hs_lead_status":"OPEN"}`)
					after := r.event("1", "lead.updated", "", `{"lastname":"King"}`)
					must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "hs_lead_status", Options: []hubspotsim.Option{{Label: "N", Value: "N"}, {Label: "O", Value: "OPEN"}}}))
					read := r.sim.Stats().Ops["properties"]
					r.start() // reads the definitions anew: HubSpot must be the one that refuses
					for r.sim.Stats().Ops["properties"] == read {
						time.Sleep(time.Millisecond)
					}
					must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "hs_lead_status", Options: []hubspotsim.Option{{Label: "N", Value: "N"}}}))
					r.settled(time.Hour)
					for _, id := range []int64{before, reg, after} {
						if o := r.outcome(id); o.State != "delivered" || o.Attempts != 0 {
							t.Errorf("%s: row %d is %s after %d attempts (%s)", name, id, o.word(), o.Attempts, o.Note)
						}
					}
					want := map[string]string{"city": "London", "firstname": "Ada", "lastname": "King"}
					switch o := r.outcome(bad); {
					case whole == "unnamed":
						r.want(bad, "dead/refused")
					case mode == "dead":
						r.want(bad, "dead/invalid_property")
						want["company"] = ""
					default:
						want["company"] = "Engines"
						if r.want(bad, "delivered"); !strings.Contains(o.Note, "hs_lead_status (INVALID_OPTION)") {
							t.Errorf("%s: note %q", name, o.Note)
						}
					}
					r.wantContact("ada@example.com", want)
					if n := len(r.sim.Contacts()); n != 2 {
						t.Errorf("%s: %d contacts", name, n)
					}
				})
			}
		}
	}
}

// A person edits a linked contact, then the application writes
// the same field. Where HubSpot wins the edit stays and is told, once, however often it is met; also when the request
// before it was lost, applied or not.
func TestStoryPersonsEditIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "batch_update=lostx1", "batch_update=500x1", "batch_update=hangx1"} {
		inBubble(t, hubspotsim.Config{Seed: 225}, firmMapping("both", "hubspot"), func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firm":"First"}`)
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.SetFaults(fault))
			second := r.event("1", "lead.updated", "", `{"firm":"Second"}`)
			time.Sleep(300 * time.Millisecond)
			must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "Person"}))
			third := r.event("1", "lead.updated", "", `{"firm":"Third"}`)
			r.settled(time.Hour)
			r.wantContact("ada@example.com", map[string]string{"company": "Person"})
			want := "First"
			switch fault {
			case "": // settled before the edit
				want = "Second"
				r.want(second, "delivered")
			default:
				r.want(second, "skipped/overtaken")
			}
			r.want(third, "skipped/overtaken")
			r.wantInbox(`contact.updated {"firm":{"value":"Person","was":"` + want + `"}}`)
		})
	}
}

// The create was applied and nobody heard of it; a person edits the new contact before it is
// found. It is found, the edit stays and is told.
func TestStoryEditOfALostCreate(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 226}, firmMapping("both", "hubspot"), func(r *rig) {
			must(t, r.sim.SetFaults("batch_create=lostx1"))
			r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":"Ours"}`)
			r.start()
			time.Sleep(100 * time.Millisecond)
			must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "Person"}))
			if restart {
				r.stop()
				r.start()
			}
			r.event("1", "lead.updated", "", `{"firm":"Later"}`)
			r.settled(time.Hour)
			r.wantContact("ada@example.com", map[string]string{"company": "Person", "firstname": "Ada"})
			r.wantInbox(`contact.updated {"firm":{"value":"Person","was":null}}`)
			if n := len(r.sim.Contacts()); n != 1 {
				t.Errorf("%d contacts", n)
			}
		})
	}
}

// A create whose answer was lost belongs to its lead: another lead that names the address meanwhile waits and does not
// take the contact for its own.
func TestStoryLostCreateIsNotAnothersContact(t *testing.T) {
	t.Parallel()
	for n := range 12 { // waits have jitter: whose turn comes first differs
		swapped := n%2 == 1
		inBubble(t, hubspotsim.Config{Seed: 227}, "push: {max_attempts: 3}", func(r *rig) {
			must(t, r.sim.SetFaults("batch_create=lostx1"))
			a := r.event("1", "lead.registered", "a@example.com", `{"company":"One"}`)
			var b int64
			if swapped {
				b = r.event("2", "lead.registered", "b@example.com", `{"company":"Two"}`)
			}
			r.start()
			time.Sleep(200 * time.Millisecond)
			c := r.event("1", "lead.updated", "b@example.com", `{}`)
			d := r.event("2", "lead.updated", "a@example.com", `{"city":"London"}`)
			r.settled(24 * time.Hour)
			r.want(a, "delivered")
			if swapped { // no call swaps two addresses at once
				r.want(b, "delivered")
				r.want(c, "dead/address_taken")
				r.want(d, "dead/address_taken")
				r.wantContact("a@example.com", map[string]string{"company": "One", "city": ""})
				r.wantContact("b@example.com", map[string]string{"company": "Two", "city": "London"})
			} else {
				r.want(c, "delivered")
				r.want(d, "delivered")
				r.wantContact("b@example.com", map[string]string{"company": "One", "city": ""})
				r.wantContact("a@example.com", map[string]string{"company": "", "city": "London"})
			}
			if n := len(r.sim.Contacts()); n != 2 {
				t.Errorf("swapped=%t: %d contacts", swapped, n)
			}
		})
	}
}

// An answer that leaves out the ids of its results, or says nothing of a row, is no evidence that a contact is there or
// not: the lead is linked to the contact with its id, and to no second one.
func TestStoryReadsWithoutIDs(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"noids", "empty200", "drop:9"} {
		inBubble(t, hubspotsim.Config{Seed: 228}, "", func(r *rig) {
			contact := r.stranger(map[string]string{"email": "old@example.com"})
			must(t, r.sim.SetFaults("batch_read="+fault+"x1"))
			a := r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
			b := r.event("1", "lead.updated", "new@example.com", `{}`)
			r.start()
			r.settled(time.Hour)
			if o := r.want(a, "delivered"); o.Contact != contact {
				t.Errorf("%s: on contact %q, want %s", fault, o.Contact, contact)
			}
			r.want(b, "delivered")
			r.wantContact("new@example.com", map[string]string{"firstname": "Ada"})
			if n := len(r.sim.Contacts()); n != 1 {
				t.Errorf("%s: %d contacts", fault, n)
			}
		})
	}
}

// One conflict refuses a batch of creates as a whole, without saying whose it is: the others are created and lose no
// attempt.
func TestStoryWholeBatchConflict(t *testing.T) {
	t.Parallel()
	for _, id := range []bool{false, true} {
		yaml := ""
		if id {
			yaml = "mapping: {id_property: lead_key}"
		}
		inBubble(t, hubspotsim.Config{Seed: 229, Quirks: hubspotsim.Quirks{Whole400: "named"}, Properties: leadKey}, yaml, func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			r.stop()
			r.stranger(map[string]string{"email": "p7@example.com", "company": "Theirs"})
			for i := range 30 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
			r.start()
			r.settled(time.Minute)
			if got := r.counts(); got["delivered"] != 31 {
				t.Errorf("id=%t: %v", id, got)
			}
			var tried int
			must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE attempts > 0`).Scan(&tried))
			if tried != 0 {
				t.Errorf("id=%t: %d rows lost an attempt", id, tried)
			}
			r.wantContact("p7@example.com", map[string]string{"firstname": "F", "company": "Theirs"})
		})
	}
}

// leadKey is a unique property for mapping.id_property.
var leadKey = []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}
