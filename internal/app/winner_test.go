package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// inboxRow is one row of lead_inbox as the application reads it.
type inboxRow struct {
	Lead, Contact, Email, Type, Properties string
	ChangedAt                              int64
}

func (r *rig) inbox() []inboxRow {
	r.t.Helper()
	rows, err := r.db.Query(`SELECT coalesce(lead_id, ''), coalesce(contact_id, ''), coalesce(email, ''), change_type, properties, coalesce(changed_at, 0)
  FROM lead_inbox ORDER BY id`)
	must(r.t, err)
	defer rows.Close()
	var all []inboxRow
	for rows.Next() {
		var i inboxRow
		must(r.t, rows.Scan(&i.Lead, &i.Contact, &i.Email, &i.Type, &i.Properties, &i.ChangedAt))
		all = append(all, i)
	}
	must(r.t, rows.Err())
	return all
}

// wantInbox holds the inbox against its rows, each as "type properties".
func (r *rig) wantInbox(want ...string) {
	r.t.Helper()
	var have []string
	for _, i := range r.inbox() {
		have = append(have, i.Type+" "+i.Properties)
	}
	if strings.Join(have, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("the inbox holds %q, want %q", have, want)
	}
}

// stranger makes a contact as people do and returns its id.
func (r *rig) stranger(properties map[string]string) string {
	r.t.Helper()
	body := toJSON(map[string]any{"properties": properties})
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/crm/objects/2026-09/contacts", bytes.NewReader([]byte(body)))
	must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.sim.Credentials().StaticToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.sim.Transport().RoundTrip(req)
	must(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(r.t, err)
	var made struct{ ID string }
	must(r.t, json.Unmarshal(text, &made))
	if made.ID == "" {
		r.t.Fatalf("the contact was not made: %s", text)
	}
	return made.ID
}

// eventAt is event with the time of the row; without one the database's own clock, which does not follow the bubble's,
// would count.
func (r *rig) eventAt(at time.Time, lead, typ, email, properties string) int64 {
	r.t.Helper()
	id := r.event(lead, typ, email, properties)
	_, err := r.db.Exec(`UPDATE lead_outbox SET created_at = ? WHERE id = ?`, at.UnixMilli(), id)
	must(r.t, err)
	return id
}

func firmMapping(direction, winner string) string {
	return fmt.Sprintf(`push: {max_attempts: 3}
mapping:
  fields:
    - {lead: name, contact: firstname}
    - {lead: firm, contact: company, direction: %s, winner: %s}
    - {lead: stage, contact: hs_lead_status, direction: %s, winner: %s}
`, direction, winner, direction, winner)
}

// A lead meets the contact that sales made before it, under every direction and winner: what is equal stays, what one
// side lacks comes from the other, what differs goes by the winner, and the application is told what it lacks, in
// fields that flow to it.
func TestFirstLinkWinners(t *testing.T) {
	t.Parallel()
	const told = `contact.updated {"firm":{"value":"Theirs","was":null}}`
	for _, c := range []struct {
		direction, winner, ours, theirs string
		later                           bool // the contact was changed after the row was made
		want                            string
		inbox                           []string
	}{
		{"push", "app", "Same", "Same", false, "Same", nil},
		{"push", "app", "", "Theirs", false, "Theirs", nil},
		{"push", "app", "Ours", "", false, "Ours", nil},
		{"push", "app", "Ours", "Theirs", false, "Ours", nil},
		{"push", "hubspot", "Same", "Same", false, "Same", nil},
		{"push", "hubspot", "", "Theirs", false, "Theirs", nil},
		{"push", "hubspot", "Ours", "", false, "Ours", nil},
		{"push", "hubspot", "Ours", "Theirs", false, "Theirs", nil},
		{"push", "fill_empty", "Ours", "", false, "Ours", nil},
		{"push", "fill_empty", "Ours", "Theirs", false, "Theirs", nil},
		{"push", "newest", "Ours", "Theirs", false, "Ours", nil},
		{"pull", "app", "Ours", "", false, "", nil},
		{"pull", "app", "Ours", "Theirs", false, "Theirs", []string{told}},
		{"pull", "hubspot", "", "Theirs", false, "Theirs", []string{told}},
		{"pull", "newest", "Ours", "Theirs", true, "Theirs", []string{told}},
		{"pull", "fill_empty", "Ours", "Theirs", false, "Theirs", []string{told}},
		{"both", "app", "Same", "Same", false, "Same", nil},
		{"both", "app", "", "Theirs", false, "Theirs", []string{told}},
		{"both", "app", "Ours", "", false, "Ours", nil},
		{"both", "app", "Ours", "Theirs", false, "Ours", nil},
		{"both", "hubspot", "Same", "Same", false, "Same", nil},
		{"both", "hubspot", "", "Theirs", false, "Theirs", []string{told}},
		{"both", "hubspot", "Ours", "", false, "Ours", nil},
		{"both", "hubspot", "Ours", "Theirs", false, "Theirs", []string{told}},
		{"both", "fill_empty", "Same", "Same", false, "Same", nil},
		{"both", "fill_empty", "", "Theirs", false, "Theirs", []string{told}},
		{"both", "fill_empty", "Ours", "", false, "Ours", nil},
		{"both", "fill_empty", "Ours", "Theirs", false, "Theirs", []string{told}},
		{"both", "newest", "Same", "Same", true, "Same", nil},
		{"both", "newest", "", "Theirs", false, "Theirs", []string{told}},
		{"both", "newest", "Ours", "", true, "Ours", nil},
		{"both", "newest", "Ours", "Theirs", false, "Ours", nil},
		{"both", "newest", "Ours", "Theirs", true, "Theirs", []string{told}},
	} {
		name := fmt.Sprintf("%s/%s ours=%q theirs=%q later=%t", c.direction, c.winner, c.ours, c.theirs, c.later)
		inBubble(t, hubspotsim.Config{Seed: 101}, firmMapping(c.direction, c.winner), func(r *rig) {
			row := func() int64 {
				props := `{"name":"Ada"}`
				if c.ours != "" {
					props = `{"name":"Ada","firm":"` + c.ours + `"}`
				}
				return r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", props)
			}
			var id int64
			if c.later {
				id = row()
				time.Sleep(time.Hour)
			}
			stranger := map[string]string{"email": "ada@example.com", "firstname": "Augusta", "jobtitle": "Countess"}
			if c.theirs != "" {
				stranger["company"] = c.theirs
			}
			contact := r.stranger(stranger)
			if !c.later {
				time.Sleep(time.Hour)
				id = row()
			}
			r.start()
			time.Sleep(20 * time.Second)
			if o := r.outcome(id); o.word() != "delivered" || o.Contact != contact || o.Attempts != 0 {
				t.Errorf("%s: row is %s on %s after %d attempts (%s)", name, o.word(), o.Contact, o.Attempts, o.Note)
			}
			got := r.contact("ada@example.com")
			if got["company"] != c.want {
				t.Errorf("%s: company is %q, want %q", name, got["company"], c.want)
			}
			if got["firstname"] != "Ada" || got["jobtitle"] != "Countess" {
				t.Errorf("%s: firstname %q, jobtitle %q", name, got["firstname"], got["jobtitle"])
			}
			r.wantInbox(c.inbox...)
			for _, i := range r.inbox() {
				if i.Lead != "1" || i.Contact != contact || i.Email != "ada@example.com" || i.ChangedAt < 946684800000 {
					t.Errorf("%s: inbox row %+v", name, i)
				}
			}
			if st := r.sim.Stats(); st.Contacts != 1 || st.Unchanged != 0 {
				t.Errorf("%s: %d contacts, %d writes that changed nothing", name, st.Contacts, st.Unchanged)
			}
			// The same event once more is nothing new, whoever won.
			again := row()
			time.Sleep(20 * time.Second)
			if o := r.outcome(again); o.State != "skipped" && c.want != c.theirs && c.direction != "pull" {
				t.Errorf("%s: the same event again is %s", name, o.word())
			}
		})
	}
}

// A field whose winner is not the application is read right before it is written: what sales changed meanwhile is not
// overwritten unseen, it goes by the winner, and the application is told. One request more for a hundred leads, and
// none where the winner is app.
func TestEditBeforeWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		winner string
		late   bool // the edit is newer than the row
		want   string
		inbox  []string
		row    string
		reads  int
	}{
		{"app", true, "Second", nil, "delivered", 0},
		{"hubspot", false, "Theirs", []string{`contact.updated {"firm":{"value":"Theirs","was":"First"}}`}, "skipped/overtaken", 1},
		{"fill_empty", false, "Theirs", []string{`contact.updated {"firm":{"value":"Theirs","was":"First"}}`}, "skipped/overtaken", 1},
		{"newest", true, "Theirs", []string{`contact.updated {"firm":{"value":"Theirs","was":"First"}}`}, "skipped/overtaken", 2}, // and its history
		{"newest", false, "Second", nil, "delivered", 2},
	} {
		inBubble(t, hubspotsim.Config{Seed: 102}, firmMapping("both", c.winner), func(r *rig) {
			r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":"First"}`)
			r.start()
			r.settled(time.Minute)
			r.stop()
			time.Sleep(time.Minute)
			edit := func() {
				must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "Theirs"}))
				time.Sleep(time.Minute)
			}
			if !c.late {
				edit()
			}
			id := r.eventAt(time.Now(), "1", "lead.updated", "", `{"firm":"Second"}`)
			time.Sleep(time.Minute)
			if c.late {
				edit()
			}
			before := r.sim.Stats().Ops["batch_read"]
			r.start()
			r.settled(time.Minute)
			r.want(id, c.row)
			r.wantContact("ada@example.com", map[string]string{"company": c.want, "firstname": "Ada"})
			r.wantInbox(c.inbox...)
			if n := r.sim.Stats().Ops["batch_read"] - before; n != c.reads {
				t.Errorf("%s: %d reads before the write, want %d", c.winner, n, c.reads)
			}
			// The next word of the application comes after what it was told and has taken: it is written.
			r.takeInbox()
			next := r.eventAt(time.Now().Add(time.Minute), "1", "lead.updated", "", `{"firm":"Third"}`)
			r.settled(time.Minute)
			r.want(next, "delivered")
			r.wantContact("ada@example.com", map[string]string{"company": "Third"})
			r.wantInbox(c.inbox...)
		})
	}
}

// A hundred leads whose fields must be read first cost one read, not a hundred.
func TestReadBeforeWriteIsBatched(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 103, Latency: 10 * time.Millisecond}, firmMapping("both", "hubspot"), func(r *rig) {
		all := func(typ, firm string) {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 100 {
					insert(fmt.Sprint(i), typ, fmt.Sprintf("p%d@example.com", i), `{"firm":"`+firm+`"}`)
				}
			})
		}
		all("lead.registered", "A")
		r.start()
		r.settled(time.Minute)
		before := r.sim.Stats()
		all("lead.updated", "B")
		r.settled(time.Minute)
		after := r.sim.Stats()
		if n := after.Ops["batch_read"] - before.Ops["batch_read"]; n != 1 {
			t.Errorf("%d reads for 100 leads", n)
		}
		if n := after.WriteRequests - before.WriteRequests; n != 1 {
			t.Errorf("%d writes for 100 leads", n)
		}
	})
}

// The application's value wins, HubSpot's is owed: when the winning row then dies, or goes without the field, the
// application is told what stands in HubSpot. When it is delivered nothing is told.
func TestOwedValueIsPaid(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"dead", "drop"} {
		for _, refused := range []bool{true, false} {
			yaml := strings.Replace(firmMapping("both", "app"), "push: {", "push: {on_invalid_field: "+mode+", ", 1)
			inBubble(t, hubspotsim.Config{Seed: 104}, yaml, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada"}`)
				r.start()
				r.settled(time.Minute) // the definitions are known now
				// The request fails unclearly, so the contact is read before the next one: sales has been there meanwhile.
				must(t, r.sim.SetFaults("batch_update=500x1"))
				id := r.event("1", "lead.updated", "", `{"name":"Countess","stage":"OPEN"}`)
				time.Sleep(200 * time.Millisecond)
				must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"hs_lead_status": "CONNECTED"}))
				options := []hubspotsim.Option{{Label: "New", Value: "NEW"}, {Label: "Connected", Value: "CONNECTED"}}
				if !refused {
					options = append(options, hubspotsim.Option{Label: "Open", Value: "OPEN"})
				}
				must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "hs_lead_status", Options: options}))
				r.settled(time.Minute)
				switch {
				case !refused:
					r.want(id, "delivered")
					r.wantContact("ada@example.com", map[string]string{"hs_lead_status": "OPEN", "firstname": "Countess"})
					r.wantInbox()
				case mode == "dead":
					r.want(id, "dead/invalid_property")
					r.wantContact("ada@example.com", map[string]string{"hs_lead_status": "CONNECTED", "firstname": "Ada"})
					r.wantInbox(`contact.updated {"stage":{"value":"CONNECTED","was":null}}`)
				default:
					if o := r.want(id, "delivered"); !strings.Contains(o.Note, "hs_lead_status (INVALID_OPTION)") {
						t.Errorf("note %q", o.Note)
					}
					r.wantContact("ada@example.com", map[string]string{"hs_lead_status": "CONNECTED", "firstname": "Countess"})
					r.wantInbox(`contact.updated {"stage":{"value":"CONNECTED","was":null}}`)
				}
			})
		}
	}
}

// An owed value is not paid while the winning row still waits, neither by its failed attempts nor by a second look at
// the contact, which reads no rows: the application must not hear that HubSpot's value has won.
func TestOwedValueWaitsForItsRow(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 105}, strings.Replace(firmMapping("both", "app"), "3", "6", 1), func(r *rig) {
		const failing = "fault-500-ada@example.com" // its writes fail, and others do not
		r.event("1", "lead.registered", "ada@example.com", `{"firm":"First"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"email": failing, "company": "Theirs"}))
		id := r.event("1", "lead.updated", "", `{"firm":"Ours"}`)
		for i := range 60 {
			time.Sleep(2 * time.Second)
			r.event(fmt.Sprint("other", i), "lead.registered", fmt.Sprintf("other%d@example.com", i), `{}`)
		}
		if o := r.want(id, "pending"); o.Attempts == 0 || o.NotBefore == 0 {
			t.Fatalf("the row does not wait: %+v", o)
		}
		r.wantInbox()
		_, err := r.db.Exec(`UPDATE leadsync_links SET second_look_at = 1 WHERE lead_id = '1'`)
		must(t, err)
		time.Sleep(20 * time.Second)
		r.wantInbox()
		must(t, r.sim.Edit(hubspotsim.Target{Email: failing}, map[string]string{"email": "ada@example.com"}))
		r.settled(3 * time.Hour)
		r.want(id, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "Ours"})
		r.wantInbox()
	})
}

// A row is committed while the contact is being read for an older one: it has its say in the conflict, and does not
// count as overtaken by a value that the application had not been told of.
func TestRowDuringTheRead(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot"} {
		inBubble(t, hubspotsim.Config{Seed: 106, Latency: 20 * time.Millisecond}, firmMapping("both", winner), func(r *rig) {
			r.stranger(map[string]string{"email": "ada@example.com", "company": "Theirs"})
			var during int64
			r.base = func(inner http.RoundTripper) http.RoundTripper {
				return roundTripper(func(req *http.Request) (*http.Response, error) {
					resp, err := inner.RoundTrip(req)
					if strings.HasSuffix(req.URL.Path, "/batch/read") && during == 0 {
						during = r.event("1", "lead.updated", "", `{"firm":"Ours"}`)
					}
					return resp, err
				})
			}
			r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":null}`)
			r.start()
			time.Sleep(30 * time.Second)
			if during == 0 {
				t.Fatal("the contact was not read")
			}
			if winner == "app" {
				r.want(during, "delivered")
				r.wantContact("ada@example.com", map[string]string{"company": "Ours"})
				r.wantInbox()
			} else {
				r.want(during, "skipped/overtaken")
				r.wantContact("ada@example.com", map[string]string{"company": "Theirs"})
				r.wantInbox(`contact.updated {"firm":{"value":"Theirs","was":null}}`)
			}
		})
	}
}
