package app

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// hanging lets writes that hold a marker hang until the client gives up. HubSpot does not carry them out.
type hanging struct {
	inner  http.RoundTripper
	marker string

	mu  sync.Mutex
	met int
}

func (h *hanging) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.Body == nil {
		return h.inner.RoundTrip(q)
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	q = q.Clone(q.Context())
	q.Body = io.NopCloser(strings.NewReader(string(body)))
	if op, _ := operationOf(q); op == "batch_read" || !strings.Contains(string(body), h.marker) {
		return h.inner.RoundTrip(q)
	}
	h.mu.Lock()
	h.met++
	h.mu.Unlock()
	<-q.Context().Done()
	return nil, q.Context().Err()
}

// Writes that hold one lead never get an answer. Its batch costs a time-out of 15 s, which nobody can know before; nine
// tenths of its neighbours go at once after it, the others after one more, and whoever comes later waits for none.
func TestLanesOneLeadHangs(t *testing.T) {
	for _, kind := range []string{"create", "update"} {
		for _, at := range testsize.Some(t, []int{0, 57, 99}, 1) {
			inBubble(t, hubspotsim.Config{Seed: 52, Latency: 100 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
				hangs(t, r, kind, at)
			})
		}
	}
}

func hangs(t *testing.T, r *rig, kind string, at int) {
	h := &hanging{marker: "Marker"}
	r.base = func(inner http.RoundTripper) http.RoundTripper { h.inner = inner; return h }
	hundred := func(typ, prefix string, name func(i int) string) (ids []int64) {
		first := r.nextID()
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 100 {
				email := fmt.Sprintf("%s%d@example.com", prefix, i)
				if typ == "lead.updated" {
					email = ""
				}
				insert(fmt.Sprint(prefix, i), typ, email, fmt.Sprintf(`{"firstname":%q}`, name(i)))
				ids = append(ids, first+int64(i))
			}
		})
		return ids
	}
	same := func(int) string { return "F" }
	marked := func(i int) string {
		if i == at {
			return h.marker
		}
		return "G"
	}
	r.event("warm", "lead.registered", "warm@example.com", `{}`)
	if kind == "update" {
		hundred("lead.registered", "p", same)
	}
	r.start()
	r.settled(time.Minute)
	time.Sleep(2 * time.Minute) // nothing else has succeeded for long
	var rows []int64
	if kind == "update" {
		rows = hundred("lead.updated", "p", marked)
	} else {
		rows = hundred("lead.registered", "n", marked)
	}
	var later []int64
	for i := range 30 {
		time.Sleep(5 * time.Second)
		later = append(later, r.event(fmt.Sprint("l", i), "lead.registered", fmt.Sprintf("l%d@example.com", i), `{}`))
	}
	time.Sleep(2 * time.Minute)
	what := fmt.Sprintf("%s beside a bad one at %d", kind, at)
	r.within(what+", later", 2*time.Second, later...)
	bad := rows[at]
	rows = slices.Delete(rows, at, at+1)
	r.within(what, 36*time.Second, rows...)
	var waits []time.Duration
	for _, id := range rows {
		waits = append(waits, r.bySettled(id))
	}
	slices.Sort(waits)
	t.Logf("%s: p50 %s, p90 %s, p99 %s; %d hung", what, waits[49], waits[89], waits[97], h.met)
	if waits[89] > 20*time.Second {
		t.Errorf("%s: nine of ten waited %s", what, waits[89])
	}
	if o := r.want(bad, "dead/gave_up"); o.Attempts != 3 || h.met > 6 {
		t.Errorf("%s: the bad one has %d attempts, and hung %d times", what, o.Attempts, h.met)
	}
}
