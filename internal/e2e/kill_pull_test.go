package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/testsize"
)

// The daemon is killed at random moments while people edit contacts in HubSpot and the application inserts: each edit
// is told exactly once, our own writes never, and the push account balances all the same (G1, G3, G8). The number is
// the sum over the dialects.
func TestG8Kill(t *testing.T) {
	t.Parallel()
	all := databases(t)
	kills := (testsize.Histories(150, 18) + len(all) - 1) / len(all)
	for dialect, url := range all {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			killedInPull(t, url(t), kills)
		})
	}
}

// killMapping has one field that people edit, beside those of the events.
const killMapping = `push: {poll_interval: 50ms, linger: 5ms}
pull: {schedule: "@every 1s", lagged_schedule: "@every 2s", archived_schedule: "@every 2s", optout_schedule: "@every 2s"}
mapping:
  fields:
    - {lead: job, contact: jobtitle, direction: both, winner: hubspot}
    - {lead: firstname, contact: firstname}
    - {lead: lastname, contact: lastname}
    - {lead: company, contact: company}
    - {lead: city, contact: city}
`

func killedInPull(t *testing.T, url string, kills int) {
	s := newScene(t, url, killMapping, "--latency", "15ms", "--limit", "0", "--seed", "6", "--index-lag", "0s")
	rng := rand.New(rand.NewPCG(uint64(kills), 78))
	// Half of HubSpot's people are ours before: each is edited once, so that no edit hides another between two looks.
	edits := 4 * kills
	for i := range edits {
		if err := s.insert(fmt.Sprint("person-", i), "lead.registered", fmt.Sprintf("e%d@example.com", i), `{"firstname":"First","lastname":"Last"}`); err != nil {
			t.Fatal(err)
		}
	}
	d := s.daemon()
	s.settled(time.Minute)
	until(t, time.Minute, "a first run of changes", func() bool { return s.number(`SELECT count(*) FROM leadsync_streams WHERE stream = 'changes'`) == 1 })
	d.Kill()
	s.expireLease()
	ctx, stop := context.WithCancel(t.Context())
	var producer sync.WaitGroup
	producer.Go(func() { s.produce(ctx) })
	faults := []string{"", "search=lostx1", "batch_read=500x1", "search=502htmlx1,batch_update=lostx1", "batch_read=cutx1", "any=slow:100msx3"}
	skew, done := 0, 0
	for range kills {
		for range 4 {
			s.admin("POST", "edit", fmt.Sprintf(`{"email":"e%d@example.com","properties":{"jobtitle":"Job %d"}}`, done, done))
			done++
		}
		skew += 15 // a window ends ten seconds before HubSpot's now
		s.admin("POST", "clock", fmt.Sprintf(`{"skew":"%ds"}`, skew))
		s.admin("POST", "faults", faults[rng.IntN(len(faults))])
		d := s.daemon()
		pause(ctx, time.Duration(50+rng.IntN(1200))*time.Millisecond)
		d.Kill()
		s.expireLease()
	}
	s.admin("POST", "faults", "")
	stop()
	producer.Wait()
	d = s.daemon()
	s.settled(2 * time.Minute)
	told := `SELECT count(*) FROM lead_inbox`
	until(t, 2*time.Minute, "every edit in the inbox", func() bool { return s.number(told) >= edits })
	runs := func() int { // of the lagged look, which must tell nothing twice
		return s.number(`SELECT coalesce(max(updated_at), 0) FROM leadsync_streams WHERE stream = 'lagged'`)
	}
	until(t, time.Minute, "a run of the lagged look", func() bool { return runs() > 0 })
	s.admin("POST", "clock", fmt.Sprintf(`{"skew":"%ds"}`, skew+2*3600))
	at := runs()
	until(t, time.Minute, "a further run of the lagged look", func() bool { return runs() > at+3000 })
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, d.Log.Tail(20))
	}
	s.balanced(t)
	s.toldOnce(t, edits)
	t.Logf("%d kills on %s: %d edits, %d inbox rows, %d outbox rows", kills, s.url[:strings.Index(s.url, ":")], edits, s.number(told), s.count("1 = 1"))
}

func (s *scene) number(query string) (n int) {
	s.t.Helper()
	if err := s.db.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// toldOnce holds the inbox against the edits.
func (s *scene) toldOnce(t *testing.T, edits int) {
	t.Helper()
	rows, err := s.db.Query(`SELECT lead_id, change_type, properties FROM lead_inbox ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got, want []string
	for rows.Next() {
		var lead, kind, properties string
		if err := rows.Scan(&lead, &kind, &properties); err != nil {
			t.Fatal(err)
		}
		var p map[string]struct{ Value, Was *string }
		if err := json.Unmarshal([]byte(properties), &p); err != nil || p["job"].Value == nil {
			t.Errorf("%s of %s holds %s", kind, lead, properties)
			continue
		}
		got = append(got, lead+" "+kind+" "+*p["job"].Value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for i := range edits {
		want = append(want, fmt.Sprintf("person-%d contact.updated Job %d", i, i))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows are told, want %d; the first differences:", len(got), len(want))
		for i, n := 0, 0; i < max(len(got), len(want)) && n < 5; i++ {
			a, b := "", ""
			if i < len(got) {
				a = got[i]
			}
			if i < len(want) {
				b = want[i]
			}
			if a != b {
				t.Errorf("  told %q, want %q", a, b)
				n++
			}
		}
	}
}
