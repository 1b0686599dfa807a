package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/testsize"
)

// The daemon is killed at random moments, again and again, while an application inserts and HubSpot misbehaves: nothing
// is lost, nothing is doubled, nothing is wrong (G1, G2, G3). The number is the sum over the dialects.
func TestG3Kill(t *testing.T) {
	t.Parallel()
	all := databases(t)
	kills := (testsize.Histories(300, 18) + len(all) - 1) / len(all)
	for dialect, url := range all {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			killed(t, url(t), kills)
		})
	}
}

func killed(t *testing.T, url string, kills int) {
	// Thirty seconds of a lease would have to be waited for after each kill on a server: the daemons get names of their
	// own, and the lease of the one that was killed is ended by hand, as its end would.
	s := newScene(t, url, "push: {poll_interval: 50ms, linger: 5ms}", "--latency", "15ms", "--limit", "0", "--seed", "5")
	rng := rand.New(rand.NewPCG(uint64(kills), 77))
	ctx, stop := context.WithCancel(t.Context())
	var producer sync.WaitGroup
	producer.Go(func() { s.produce(ctx) })
	faults := []string{"", "batch_create=lostx1,batch_update=lostx1", "any=500x2", "batch_update=cutx1", "batch_create=502htmlx1", "any=429x1",
		"batch_update=drop:3x1", "batch_create=drop:3x1", "any=slow:100msx3"}
	for range kills {
		s.admin("POST", "faults", faults[rng.IntN(len(faults))])
		d := s.daemon()
		pause(ctx, time.Duration(30+rng.IntN(400))*time.Millisecond)
		d.Kill()
		s.expireLease()
	}
	s.admin("POST", "faults", "")
	stop()
	producer.Wait()
	d := s.daemon()
	d.started(t) // else the signal may meet a process that does not listen yet
	s.settled(2 * time.Minute)
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, d.Log.Tail(20))
	}
	s.balanced(t)
	t.Logf("%d kills on %s: %d rows, %d contacts, %d requests", kills, s.url[:strings.Index(s.url, ":")], s.count("1 = 1"), s.stats().Contacts, s.stats().Requests)
	if dead := s.count(`state = 'dead'`); dead != 0 {
		t.Errorf("%d rows are dead of kills and outages", dead)
	}
}

// produce inserts events until ctx ends: new leads, and changes of the ones that are there.
func (s *scene) produce(ctx context.Context) {
	rng := rand.New(rand.NewPCG(1, 2))
	leads := 0
	for ctx.Err() == nil {
		n := rng.IntN(6)
		for range n {
			var err error
			if leads < 5 || rng.IntN(3) == 0 {
				// One whose insert failed may be there or not; it is inserted once more.
				if err = s.insert(fmt.Sprint("lead-", leads+1), "lead.registered", fmt.Sprintf("p%d@example.com", leads+1), `{"firstname":"First","lastname":"Last"}`); err == nil {
					leads++
				}
			} else {
				field := []string{"firstname", "company", "city"}[rng.IntN(3)]
				err = s.insert(fmt.Sprint("lead-", 1+rng.IntN(leads)), "lead.updated", nil, fmt.Sprintf(`{%q:"V%d"}`, field, rng.IntN(4)))
			}
			if err != nil && !s.shaky {
				s.t.Errorf("insert: %v", err)
				return
			}
		}
		pause(ctx, time.Duration(rng.IntN(30))*time.Millisecond)
	}
}

func (s *scene) insert(lead, typ string, email any, properties string) error {
	text := `INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES (?, ?, ?, ?)`
	if s.url[0] == 'p' {
		text = `INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES ($1, $2, $3, $4)`
	}
	_, err := s.db.Exec(text, lead, typ, email, properties)
	return err
}

// expireLease ends the lease of a daemon that was killed, as thirty seconds would.
func (s *scene) expireLease() {
	s.t.Helper()
	if _, err := s.db.Exec(`UPDATE leadsync_portals SET lease_until = 0`); err != nil {
		s.t.Fatal(err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
