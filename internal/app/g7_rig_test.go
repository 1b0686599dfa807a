package app

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
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

var twoTypes = []hubspotsim.Subscription{{ID: 1, Name: "News"}, {ID: 2, Name: "Offers"}}

// outOfAll holds addresses against what the configuration opts out of: all e-mail, or both types of twoTypes.
func (r *rig) outOfAll(yaml string, addresses ...string) {
	r.t.Helper()
	for _, a := range addresses {
		if !strings.Contains(yaml, "unsubscribe") {
			r.out(a)
			continue
		}
		for _, id := range []int64{1, 2} {
			if s := r.sim.Status(a, id); s != "UNSUBSCRIBED" {
				r.t.Errorf("%s is %s of type %d", a, s, id)
			}
		}
	}
}

// nextID is the id that the next row will have.
func (r *rig) nextID() (id int64) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT max(id) + 1 FROM lead_outbox`).Scan(&id))
	return id
}

// lateResubscribe inserts a resubscribe under an id of its own.
func (r *rig) lateResubscribe(id int64, lead, properties string) int64 {
	r.t.Helper()
	now := time.Now().UnixMilli()
	_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, properties, occurred_at, created_at) VALUES (?, ?, 'lead.resubscribed', ?, ?, ?)`,
		id, lead, properties, now, now)
	must(r.t, err)
	return id
}

// settle waits until a row is not pending any more.
func (r *rig) settle(id int64) int64 {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); r.outcome(id).State == "pending" && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	return id
}

// oneOf holds a row against several states.
func (r *rig) oneOf(id int64, words string) {
	r.t.Helper()
	if o := r.outcome(id); !slices.Contains(strings.Split(words, ","), o.word()) {
		r.t.Errorf("row %d is %s (note %q), want %s", id, o.word(), o.Note, words)
	}
}

// hidden takes properties whose names begin so out of what is asked for, as an account does that does not have them: it
// shows nothing.
type hidden struct {
	next   http.RoundTripper
	prefix string
}

func (h hidden) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		b = []byte(regexp.MustCompile(`"`+h.prefix+`[^"]*",?`).ReplaceAllString(string(b), ""))
		b = []byte(strings.ReplaceAll(string(b), ",]", "]"))
		req = req.Clone(req.Context())
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
	return h.next.RoundTrip(req)
}
