package app

import (
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// A 403 for want of a scope stops what needs the scope, names it, uses no attempt, and is tried again once an hour.
func TestMissingScope(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 61}, "", func(r *rig) {
		r.patient = true
		must(t, r.sim.SetFaults("properties=403,batch_create=403"))
		id := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		time.Sleep(30 * time.Minute)
		if o := r.want(id, "pending"); o.Attempts != 0 {
			t.Errorf("%d attempts", o.Attempts)
		}
		s := r.status()
		if s.State != "paused" || !strings.HasPrefix(s.Cause, "scope_missing: crm.") || !strings.Contains(s.Cure, "scopes") {
			t.Errorf("status %+v", s)
		}
		if len(s.PropertyProblems) != 1 || !strings.Contains(s.PropertyProblems[0], "crm.") {
			t.Errorf("property problems %v", s.PropertyProblems)
		}
		if n := r.sim.Stats().Ops["batch_create"]; n != 1 {
			t.Errorf("%d requests in half an hour, want 1", n)
		}
		must(t, r.sim.SetFaults("properties=403")) // without definitions values are sent unchecked
		r.settled(time.Hour)
		r.want(id, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
		must(t, r.sim.SetFaults(""))
		time.Sleep(2 * time.Hour)
		if s := r.status(); s.State != "running" || len(s.PropertyProblems) != 0 {
			t.Errorf("after the scope was granted: %+v", s)
		}
	})
}
