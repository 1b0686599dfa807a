package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/stage"
	"leadsync/internal/testsize"
)

const killBothYAML = `push: {poll_interval: 50ms, linger: 5ms, max_deletes_per_hour: 0}
pull: {schedule: "@every 1s", lagged_schedule: "@every 1m", optout_schedule: "@every 2s", archived_schedule: "@every 2s"}
mapping: {fields: [{lead: firstname, contact: firstname}, {lead: company, contact: company}, {lead: town, contact: city, direction: both, winner: hubspot}]}
`

// The daemon is killed again and again while the application registers, changes, unsubscribes, deletes and erases
// people, and people edit contacts and opt out: each of it is done once in the other place, and told once (G3, G7, G8,
// G9).
func TestG3KillBothWays(t *testing.T) {
	t.Parallel()
	all := databases(t)
	kills := (testsize.Histories(150, 15) + len(all) - 1) / len(all)
	for dialect, url := range all {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			killedBoth(t, url(t), kills)
		})
	}
}

// society is what both sides did, by the number of the lead. The number decides what may happen to it: of eight, 0 is
// deleted, 4 is erased, 1 unsubscribes, 3 opts out in HubSpot; people edit 2, 3, 6 and 7, each once.
type society struct {
	*scene
	mu      sync.Mutex
	fields  map[int]map[string]string
	ended   map[int]string // lead.deleted, lead.erased or lead.unsubscribed
	towns   map[int]string
	optouts map[int]bool
	lead    int
}

func killedBoth(t *testing.T, url string, kills int) {
	s := &society{scene: newScene(t, url, killBothYAML, "--latency", "15ms", "--limit", "0", "--seed", "6", "--index-lag", "300ms"),
		fields: map[int]map[string]string{}, ended: map[int]string{}, towns: map[int]string{}, optouts: map[int]bool{}}
	first := s.daemon() // the streams begin
	until(t, 30*time.Second, "the first run of each stream", func() bool { return s.number(`SELECT count(*) FROM leadsync_streams`) >= 4 })
	first.Kill()
	s.expireLease()
	rng := rand.New(rand.NewPCG(uint64(kills), 78))
	ctx, stop := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() { s.apply(ctx) })
	both.Go(func() { s.people(ctx) })
	faults := []string{"", "batch_create=lostx1,batch_update=lostx1", "any=500x2", "batch_update=cutx1,search=cutx1", "subscriptions=lostx2", "gdpr_delete=lostx1",
		"batch_archive=lostx1,search=500x1", "batch_read=500x1,list=500x1", "any=slow:100msx3"}
	// A busy machine may need longer than a life for the first delivery: then more and longer lives follow, until people
	// had work to do.
	for i := 0; i < kills || i < 3*kills && !s.worked(); i++ {
		s.admin("POST", "faults", faults[rng.IntN(len(faults))])
		d := s.daemon()
		pause(ctx, time.Duration(50+rng.IntN(900))*time.Millisecond*time.Duration(1+2*(i/kills)))
		d.Kill()
		s.expireLease()
	}
	s.admin("POST", "faults", "")
	stop()
	both.Wait()
	d := s.lookAgain(t)
	told := len(s.towns) + len(s.optouts)
	if !stage.Until(time.Minute, func() bool { return s.number(`SELECT count(*) FROM lead_inbox`) >= told }) {
		t.Errorf("the inbox holds less than the %d changes of people", told)
	}
	pause(t.Context(), 3*time.Second) // what is told twice would be by now
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, d.Log.Tail(20))
	}
	s.check(t)
	ends := map[string]int{}
	for _, e := range s.ended {
		ends[e]++
	}
	t.Logf("%d kills on %s: %d rows, %d leads, %v, %d edits and %d opt-outs of people, %d requests", kills, s.url[:strings.Index(s.url, ":")], s.count("1 = 1"), s.lead,
		ends, len(s.towns), len(s.optouts), s.stats().Requests)
	if len(ends) < 3 || len(s.towns) == 0 || len(s.optouts) == 0 {
		t.Error("something did not happen: the test proves nothing")
	}
}

// worked reports whether people changed and opted out somebody.
func (s *society) worked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.towns) > 0 && len(s.optouts) > 0
}

// pending are the rows that wait, by type and note.
func (s *scene) pending() (all []string) {
	s.t.Helper()
	rows, err := s.db.Query(`SELECT event_type, coalesce(note, ''), coalesce(min(not_before), 0), min(id), count(*) FROM lead_outbox WHERE state = 'pending' GROUP BY event_type, note`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var typ, note string
		var before, id, n int64
		if err := rows.Scan(&typ, &note, &before, &id, &n); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d %s (%q), first %d, not before %d", n, typ, note, id, before))
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// lookAgain runs daemons until nothing waits. What waits for a second look (at a person who was erased, at a request
// that was cut off) would do so for two minutes: between two daemons the times are put back.
func (s *society) lookAgain(t *testing.T) process {
	t.Helper()
	for range 8 {
		d := s.daemon()
		d.started(t)
		idle := stage.Until(30*time.Second, func() bool {
			return s.count(fmt.Sprintf(`state = 'pending' AND (not_before IS NULL OR not_before < %d)`, time.Now().Add(20*time.Second).UnixMilli())) == 0
		})
		if s.count(`state = 'pending'`) == 0 {
			return d
		}
		if !idle {
			t.Fatalf("rows are still pending:\n%s\n%s", strings.Join(s.pending(), "\n"), d.Log.Tail(20))
		}
		d.Signal(syscall.SIGTERM)
		d.end(t, 30*time.Second)
		for _, text := range []string{`UPDATE leadsync_tombstones SET purged_at = purged_at - 150000 WHERE purged_at > 0`,
			`UPDATE leadsync_links SET second_look_at = second_look_at - 150000 WHERE second_look_at IS NOT NULL`,
			`UPDATE lead_outbox SET not_before = NULL WHERE state = 'pending'`} {
			if _, err := s.db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatalf("rows are still pending:\n%s", strings.Join(s.pending(), "\n"))
	panic("unreachable")
}

// apply is the application.
func (s *society) apply(ctx context.Context) {
	rng := rand.New(rand.NewPCG(3, 4))
	insert := func(lead int, typ string, email any, properties string) {
		if err := s.insert(fmt.Sprintf("lead-%d-", lead), typ, email, properties); err != nil {
			s.t.Errorf("insert: %v", err)
		}
	}
	for ctx.Err() == nil {
		for range rng.IntN(4) {
			s.mu.Lock()
			lead := 1 + rng.IntN(s.lead+1)
			switch {
			case lead > s.lead:
				s.lead++
				s.fields[lead] = map[string]string{"firstname": fmt.Sprintf("First%d-", lead)}
				insert(lead, "lead.registered", fmt.Sprintf("p%d-@example.com", lead), fmt.Sprintf(`{"firstname":"First%d-"}`, lead))
			case s.ended[lead] == "lead.deleted" || s.ended[lead] == "lead.erased":
			case lead%4 < 2 && rng.IntN(3) == 0 && lead%8 != 5 && s.ended[lead] == "":
				typ := []string{"lead.deleted", "lead.unsubscribed", "", "", "lead.erased"}[lead%8]
				s.ended[lead] = typ
				insert(lead, typ, nil, "{}")
			default:
				v := fmt.Sprintf("V%d-%d", lead, rng.IntN(4))
				s.fields[lead]["company"] = v
				insert(lead, "lead.updated", nil, fmt.Sprintf(`{"company":%q}`, v))
			}
			s.mu.Unlock()
		}
		pause(ctx, time.Duration(rng.IntN(40))*time.Millisecond)
	}
}

// people work in HubSpot on what is linked for sure.
func (s *society) people(ctx context.Context) {
	for ctx.Err() == nil {
		rows, err := s.db.Query(`SELECT lead_id, contact_id FROM lead_outbox WHERE state = 'delivered' AND event_type = 'lead.registered' ORDER BY id`)
		if err != nil {
			s.t.Errorf("ask for contacts: %v", err)
			return
		}
		linked := map[int]string{}
		for rows.Next() {
			var id, contact string
			var lead int
			if err := rows.Scan(&id, &contact); err != nil {
				s.t.Error(err)
			}
			if _, err := fmt.Sscanf(id, "lead-%d-", &lead); err == nil { // else erased
				linked[lead] = contact
			}
		}
		if err := rows.Err(); err != nil {
			s.t.Error(err)
		}
		rows.Close()
		for _, lead := range slices.Sorted(maps.Keys(linked)) {
			s.mu.Lock()
			edit := lead%4 >= 2 && s.towns[lead] == ""
			optout := lead%8 == 3 && !s.optouts[lead] && !edit
			if edit {
				s.towns[lead] = fmt.Sprintf("Town%d-", lead)
			}
			if optout {
				s.optouts[lead] = true
			}
			s.mu.Unlock()
			if edit {
				s.admin("POST", "edit", fmt.Sprintf(`{"id":%q,"properties":{"city":"Town%d-"}}`, linked[lead], lead))
			}
			if optout {
				s.admin("POST", "optout", fmt.Sprintf(`{"email":"p%d-@example.com"}`, lead))
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// check counts what is lost, doubled or wrong.
func (s *society) check(t *testing.T) {
	want, have := map[string]int{}, map[string]int{}
	for lead, town := range s.towns {
		want[fmt.Sprintf(`lead-%d- contact.updated {"town":{"value":%q,"was":null}}`, lead, town)]++
	}
	for lead := range s.optouts {
		want[fmt.Sprintf("lead-%d- contact.unsubscribed {}", lead)]++
	}
	rows, err := s.db.Query(`SELECT coalesce(lead_id, ''), change_type, properties FROM lead_inbox`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var lead, kind, properties string
		if err := rows.Scan(&lead, &kind, &properties); err != nil {
			t.Fatal(err)
		}
		have[lead+" "+kind+" "+properties]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	lost, doubled, wrong := 0, 0, 0
	for line := range want {
		if have[line] == 0 {
			lost++
			t.Errorf("lost: %s", line)
		}
	}
	for line, n := range have {
		switch {
		case want[line] == 0:
			wrong++
			t.Errorf("wrong: %s", line)
		case n > 1:
			doubled++
			t.Errorf("told %d times: %s", n, line)
		}
	}
	t.Logf("inbox: %d told, %d lost, %d doubled, %d wrong", len(want), lost, doubled, wrong)
	s.checkContacts(t)
	if n := s.count(`state NOT IN ('delivered', 'skipped') OR state = 'skipped' AND reason NOT IN ('unchanged', 'overtaken', 'erased')`); n != 0 {
		t.Errorf("%d rows ended as they should not", n)
	}
	for lead, typ := range s.ended {
		if typ != "lead.erased" {
			continue
		}
		if n := s.count(fmt.Sprintf(`lead_id LIKE '%%lead-%d-%%' OR email LIKE '%%p%d-@%%' OR properties LIKE '%%V%d-%%' OR properties LIKE '%%First%d-%%'`, lead, lead, lead, lead)); n != 0 {
			t.Errorf("%d rows still hold erased lead %d", n, lead)
		}
		if n := s.number(fmt.Sprintf(`SELECT count(*) FROM leadsync_links WHERE lead_id = 'lead-%d-' OR address LIKE 'p%d-@%%'`, lead, lead)); n != 0 {
			t.Errorf("%d links of erased lead %d", n, lead)
		}
	}
}

// checkContacts holds HubSpot against the last word of each side.
func (s *society) checkContacts(t *testing.T) {
	found := map[string]map[string]string{}
	for _, line := range s.lines("contacts") {
		var c struct{ Properties map[string]string }
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		email := c.Properties["email"]
		if found[email] != nil {
			t.Errorf("two contacts of %s", email)
		}
		found[email] = c.Properties
	}
	for lead := 1; lead <= s.lead; lead++ {
		email := fmt.Sprintf("p%d-@example.com", lead)
		c := found[email]
		delete(found, email)
		if s.ended[lead] == "lead.deleted" || s.ended[lead] == "lead.erased" {
			if c != nil {
				t.Errorf("lead %d: %s, and its contact is there", lead, s.ended[lead])
			}
			continue
		}
		want := maps.Clone(s.fields[lead])
		if want["city"] = s.towns[lead]; s.ended[lead] == "lead.unsubscribed" || s.optouts[lead] {
			want["hs_email_optout"] = "true"
		}
		for p, v := range want {
			if c[p] != v {
				t.Errorf("lead %d: %s is %q, want %q", lead, p, c[p], v)
			}
		}
	}
	for email := range found {
		t.Errorf("a contact nobody asked for: %s", email)
	}
}

// lines are the answer of an admin path that lists.
func (s *scene) lines(path string) (all [][]byte) {
	in := bufio.NewScanner(bytes.NewReader(s.admin("GET", path, "")))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		all = append(all, bytes.Clone(in.Bytes()))
	}
	return all
}
