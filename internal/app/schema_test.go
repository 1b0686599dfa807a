package app

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// faults are the properties and codes that the log named since the last call, with their cures.
func faultsIn(t *testing.T, said *logText) []string {
	t.Helper()
	var all []string
	for line := range strings.SplitSeq(said.String(), "\n") {
		if !strings.Contains(line, `msg="mapped property at fault"`) {
			continue
		}
		_, rest, _ := strings.Cut(line, "property=")
		property, rest, _ := strings.Cut(rest, " code=")
		code, rest, _ := strings.Cut(rest, " ")
		if !strings.Contains(rest, `hint="`) {
			t.Errorf("a fault without a cure: %s", line)
		}
		all = append(all, property+" "+code)
	}
	said.Reset()
	slices.Sort(all)
	return all
}

// Mapped properties are checked at the start and daily: one line a fault, with its cure; the field is left out and
// counted, the rest goes on, push and pull.
func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	options := []hubspotsim.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}
	cfg := hubspotsim.Config{Properties: []hubspotsim.Property{{Name: "plan", Type: "enumeration", FieldType: "select", Options: options}, {Name: "size"}, {Name: "note"}}}
	yaml := `pull: {schedule: "@every 10m", lagged_schedule: "@every 1h"}
mapping: {fields: [{lead: name, contact: firstname}, {lead: plan, contact: plan}, {lead: size, contact: size}, {lead: note, contact: note},
  {lead: lost, contact: lost}, {lead: town, contact: city, direction: both, winner: hubspot}]}
`
	inBubble(t, cfg, yaml, func(r *rig) {
		r.pull, r.patient = true, true
		var said logText
		r.log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &said), nil))
		want := func(when string, faults ...string) {
			t.Helper()
			if got := faultsIn(t, &said); !slices.Equal(got, faults) {
				t.Errorf("%s the log names %q, want %q", when, got, faults)
			}
		}
		r.start()
		row := r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","plan":"b","size":"large","note":"x","lost":"y","town":"London"}`)
		r.settled(time.Minute)
		if note := r.want(row, "delivered").Note; note != "left out: lost (PROPERTY_DOESNT_EXIST)" {
			t.Errorf("note %q", note)
		}
		time.Sleep(2 * time.Minute)
		if text := said.String(); !strings.Contains(text, "left_out=1") {
			t.Errorf("the summary does not count what was left out")
		}
		want("at the first start", "lost PROPERTY_DOESNT_EXIST")

		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "plan", Options: options[:1]}))
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "size", Type: "number", FieldType: "number"}))
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "note", ReadOnly: true}))
		if !testsize.Full() {
			r.stop()
			r.start()
			time.Sleep(time.Minute)
		} else {
			time.Sleep(25 * time.Hour)
		}
		want("a day later", "lost PROPERTY_DOESNT_EXIST", "note READ_ONLY_VALUE", "plan OPTION_REMOVED", "size TYPE_CHANGED")
		var problems []string
		problems = append(problems, r.status().PropertyProblems...)
		if len(problems) != 4 || !strings.Contains(strings.Join(problems, "; "), "plan: OPTION_REMOVED (b)") {
			t.Errorf("status names %q", problems)
		}
		row = r.event("1", "lead.updated", "", `{"name":"Ada B","plan":"b","size":"larger","note":"z"}`)
		other := r.event("2", "lead.registered", "bob@example.com", `{"name":"Bob","plan":"a","size":"12"}`)
		r.settled(time.Minute)
		if note := r.want(row, "delivered").Note; note != "left out: note (READ_ONLY_VALUE), plan (INVALID_OPTION), size (INVALID_INTEGER)" {
			t.Errorf("note %q", note)
		}
		r.want(other, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada B", "plan": "b", "size": "large"})
		r.wantContact("bob@example.com", map[string]string{"plan": "a", "size": "12"})
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Paris"}))
		time.Sleep(15 * time.Minute)
		r.wantInbox(`contact.updated {"town":{"value":"Paris","was":"London"}}`)

		said.Reset()
		r.stop()
		r.start()
		time.Sleep(time.Minute)
		want("after a restart, what changed was told", "lost PROPERTY_DOESNT_EXIST", "note READ_ONLY_VALUE")
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "note"}))
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "lost"}))
		r.stop()
		r.start()
		time.Sleep(time.Minute)
		want("when all is mended")
	})
}

// A value is refused by our own check only after the definitions were read again: an option or a property that was
// added in HubSpot since is found with the first row that needs it. However many rows are refused, that costs one
// request a minute.
func TestARefusalOfOursReadsTheDefinitionsAgain(t *testing.T) {
	t.Parallel()
	options := []hubspotsim.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}, {Value: "c", Label: "C"}}
	cfg := hubspotsim.Config{Properties: []hubspotsim.Property{{Name: "plan", Type: "enumeration", FieldType: "select", Options: options[:1]}}}
	for _, policy := range []string{"drop", "dead"} {
		inBubble(t, cfg, "push: {on_invalid_field: "+policy+"}\n", func(r *rig) {
			r.patient = true
			r.start()
			first := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","plan":"a"}`)
			r.settled(time.Minute)
			r.want(first, "delivered")
			time.Sleep(10 * time.Minute)
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "plan", Options: options[:2]}))
			must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "added"}))
			second := r.event("1", "lead.updated", "", `{"plan":"b","added":"x"}`)
			r.settled(time.Minute)
			if o := r.want(second, "delivered"); o.Note != "" {
				t.Errorf("%s: note %q", policy, o.Note)
			}
			r.wantContact("ada@example.com", map[string]string{"plan": "b", "added": "x"})
			time.Sleep(10 * time.Minute)
			before := r.sim.Stats().Ops["properties"]
			r.events(func(insert func(lead, typ, email, properties string)) {
				for range 300 {
					insert("1", "lead.updated", "", `{"plan":"never"}`)
				}
			})
			r.settled(time.Minute)
			if n := r.sim.Stats().Ops["properties"] - before; n < 1 || n > 2 {
				t.Errorf("%s: 300 refusals read the definitions %d times", policy, n)
			}
			r.wantContact("ada@example.com", map[string]string{"plan": "b"})
		})
	}
}
