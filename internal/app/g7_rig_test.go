package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// mailable lists the moments at which HubSpot could mail a contact from the entry on, by address.
func (r *rig) mailable(from int) []string {
	var out []string
	for _, e := range r.sim.ConsentLog()[from:] {
		if e.Kind == hubspotsim.ConsentMailable {
			out = append(out, e.Address)
		}
	}
	return out
}

// silentFrom fails when anybody could be mailed from the entry on: the test has one person, who is out by then.
func (r *rig) silentFrom(from int) {
	r.t.Helper()
	for _, a := range r.mailable(from) {
		r.t.Errorf("a person who is opted out could be mailed at %s", a)
	}
}

// out and in hold what HubSpot says of an address against what is wanted.
func (r *rig) out(address string) {
	r.t.Helper()
	if !r.sim.OptedOut(address) {
		r.t.Errorf("%s is not opted out", address)
	}
}

func (r *rig) notOut(address string) {
	r.t.Helper()
	if r.sim.OptedOut(address) {
		r.t.Errorf("%s is opted out", address)
	}
}

// word inserts a row that speaks of consent, with the times of the bubble: SQLite's own clock is the real one.
func (r *rig) word(lead, typ, properties string) int64 {
	r.t.Helper()
	if properties == "" {
		properties = "{}"
	}
	now := time.Now().UnixMilli()
	res, err := r.db.Exec(`INSERT INTO lead_outbox (lead_id, event_type, properties, occurred_at, created_at) VALUES (?, ?, ?, ?, ?)`, lead, typ, properties, now, now)
	must(r.t, err)
	id, err := res.LastInsertId()
	must(r.t, err)
	return id
}

// inboxed counts the inbox rows of a change type.
func (r *rig) inboxed(changeType string) (n int) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT count(*) FROM lead_inbox WHERE change_type = ?`, changeType).Scan(&n))
	return n
}

// at is evidence given so long ago.
func evidenceOf(ago time.Duration) string {
	return toJSON(map[string]any{"consent": map[string]any{"at": time.Now().Add(-ago).UTC().Format(time.RFC3339), "source": "form on example.com"}})
}

// subscribes counts the SUBSCRIBED that HubSpot took or refused.
func (r *rig) subscribes() (n int) {
	for _, e := range r.sim.ConsentLog() {
		if e.Kind == hubspotsim.ConsentStatus && e.Status == "SUBSCRIBED" {
			n++
		}
	}
	return n
}

func consentTest(t *testing.T, yaml string, cfg hubspotsim.Config, f func(*rig)) {
	t.Helper()
	if cfg.Latency == 0 {
		cfg.Latency = 50 * time.Millisecond
	}
	inBubble(t, cfg, yaml, f)
}
