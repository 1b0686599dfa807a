package app

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// appTable is an application's own table of leads, kept in memory, and the reader of the inbox that the README shows: a
// change is applied only where no later event of the application carries the field.
type appTable struct {
	*rig
	values map[string]string // by lead and field
	gone   map[string]bool   // leads that it has deleted
}

func (r *rig) application() *appTable { return &appTable{r, map[string]string{}, map[string]bool{}} }

// commits takes an event of a history into the table.
func (a *appTable) commits(row *modelRow) {
	lead := fmt.Sprint("lead-", row.lead)
	switch row.typ {
	case "lead.registered", "lead.updated":
		delete(a.gone, lead)
	case "lead.deleted", "lead.erased":
		a.gone[lead] = true
		for f := range twoWay {
			delete(a.values, lead+" "+f)
		}
	}
	for f, v := range row.fields {
		a.values[lead+" "+f] = v
	}
}

// says is one event of the application, in one transaction with its own table.
func (a *appTable) says(lead, typ, email string, fields map[string]string) int64 {
	props := map[string]any{}
	for f, v := range fields {
		a.values[lead+" "+f] = v
		if props[f] = v; v == "" {
			props[f] = nil
		}
	}
	return a.eventAt(time.Now(), lead, typ, email, toJSON(props))
}

// consume applies what is new and acknowledges it. It returns how many rows there were.
func (a *appTable) consume() int {
	a.t.Helper()
	rows, err := a.db.Query(`SELECT id, coalesce(lead_id, ''), change_type, properties, above_id FROM lead_inbox WHERE acked_at IS NULL ORDER BY id`)
	must(a.t, err)
	type change struct {
		id                     int64
		lead, kind, properties string
		above                  sql.NullInt64
	}
	var changes []change
	for rows.Next() {
		var c change
		must(a.t, rows.Scan(&c.id, &c.lead, &c.kind, &c.properties, &c.above))
		changes = append(changes, c)
	}
	must(a.t, rows.Close())
	for _, c := range changes {
		if c.kind == "contact.updated" {
			var fields map[string]struct{ Value *string }
			must(a.t, json.Unmarshal([]byte(c.properties), &fields))
			for f, v := range fields {
				var later bool
				must(a.t, a.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM lead_outbox WHERE lead_id = ? AND id > ? AND state IN ('pending', 'delivered')
  AND json_type(properties, '$.' || ?) IS NOT NULL)`, c.lead, c.above, f).Scan(&later))
				if later || a.gone[c.lead] {
					continue
				}
				if a.values[c.lead+" "+f] = ""; v.Value != nil {
					a.values[c.lead+" "+f] = *v.Value
				}
			}
		}
		_, err := a.db.Exec(`UPDATE lead_inbox SET acked_at = ? WHERE id = ?`, time.Now().UnixMilli(), c.id)
		must(a.t, err)
	}
	return len(changes)
}

// A change of HubSpot's waits in the inbox while the application changes the same field: whichever side wins, both end
// with it, whenever the application takes the change; what it repeats without knowing the change does not undo it.
func TestAgreeLateConsumer(t *testing.T) {
	t.Parallel()
	type say map[string]string
	winners := map[string]string{"app": "App", "hubspot": "Person", "fill_empty": "Person", "newest": "App"}
	for _, c := range []struct {
		name   string
		play   func(a *appTable)
		ends   map[string]string // by winner; nil = the same for all
		always string
	}{
		{"told, the application changes the field, delivered, then taken", func(a *appTable) {
			a.says("1", "lead.updated", "", say{"city": "App"})
			a.settled(time.Minute)
			a.consume()
		}, winners, ""},
		{"told, changed, taken before the row is read", func(a *appTable) {
			a.stop()
			a.says("1", "lead.updated", "", say{"city": "App"})
			time.Sleep(time.Second)
			a.consume()
			a.start()
			a.settled(time.Minute)
		}, winners, ""},
		{"told, repeated with another field, delivered, then taken", func(a *appTable) {
			a.says("1", "lead.updated", "", say{"city": "Old", "zip": "9"})
			a.settled(time.Minute)
			a.consume()
		}, nil, "Person"},
		{"told, repeated with another field, taken before the row is read", func(a *appTable) {
			a.stop()
			a.says("1", "lead.updated", "", say{"city": "Old", "zip": "9"})
			time.Sleep(time.Second)
			a.consume()
			a.start()
			a.settled(time.Minute)
		}, nil, "Person"},
		{"told, taken, then changed: that is the application's own decision", func(a *appTable) {
			a.consume()
			time.Sleep(time.Second)
			a.says("1", "lead.updated", "", say{"city": "App"})
			a.settled(time.Minute)
		}, nil, "App"},
		{"told, taken, then set back", func(a *appTable) {
			a.consume()
			time.Sleep(time.Second)
			a.says("1", "lead.updated", "", say{"city": "Old"})
			a.settled(time.Minute)
		}, nil, "Old"},
		{"told twice, repeated", func(a *appTable) {
			must(a.t, a.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Again"}))
			time.Sleep(time.Minute)
			a.says("1", "lead.updated", "", say{"city": "Old", "zip": "9"})
			a.settled(time.Minute)
		}, nil, "Again"},
		{"told, cleared by the application", func(a *appTable) {
			a.says("1", "lead.updated", "", say{"city": ""})
			a.settled(time.Minute)
		}, map[string]string{"app": "", "hubspot": "Person", "fill_empty": "Person", "newest": ""}, ""},
		{"told, changed, and changed by a person once more", func(a *appTable) {
			a.says("1", "lead.updated", "", say{"city": "App"})
			a.settled(time.Minute)
			time.Sleep(time.Second)
			must(a.t, a.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Last"}))
			time.Sleep(time.Minute)
		}, nil, "Last"},
	} {
		for winner := range winners {
			t.Run(winner+"/"+c.name, func(t *testing.T) {
				inBubble(t, hubspotsim.Config{Seed: 910, IndexLag: 2 * time.Second}, bothOf("city", winner), func(r *rig) {
					r.pull = true
					a := r.application()
					a.says("1", "lead.registered", "ada@example.com", say{"city": "Old"})
					a.start()
					a.settled(time.Minute)
					must(t, a.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Person"}))
					time.Sleep(time.Minute)
					a.wantInbox("contact.updated " + toldOf("city", "Person", "Old"))
					c.play(a)
					time.Sleep(5 * time.Minute)
					for a.consume() > 0 {
						time.Sleep(5 * time.Minute)
					}
					want := c.always
					if c.ends != nil {
						want = c.ends[winner]
					}
					if have := a.values["1 city"]; have != want {
						t.Errorf("the application has %q, want %q", have, want)
					}
					a.wantContact("ada@example.com", map[string]string{"city": want})
					for _, row := range a.inbox() {
						t.Log(fmt.Sprint(row.Type, " ", row.Properties))
					}
				})
			})
		}
	}
}
