package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/push"
	"leadsync/internal/store"
	"leadsync/internal/testsize"
)

// The person who is erased in these tests, in every form in which they come by.
const (
	person        = "lead-ada-1815"
	personEmail   = "Ada.Lovelace@Example.com"
	personSecond  = "countess@example.org"
	personName    = "Augusta-Ada"
	personPhone   = "+44 20 7946 0958"
	personEventID = "event-of-ada"
)

var personWords = []string{person, personEmail, strings.ToLower(personEmail), personSecond, personName, personPhone, personEventID, "Analytical-Engines"}

// logged keeps what the daemon logs, at the level that tells the most.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) into(r *rig) {
	r.log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// foundIn fails the test for each word that a text holds.
func foundIn(t *testing.T, where string, text []byte, words []string) {
	t.Helper()
	low := bytes.ToLower(text)
	for _, w := range words {
		if n := bytes.Count(low, []byte(strings.ToLower(w))); n > 0 {
			t.Errorf("%s holds %q %d times", where, w, n)
		}
	}
}

// files are all files beside the database, with their content.
func (r *rig) files() map[string][]byte {
	r.t.Helper()
	all := map[string][]byte{}
	must(r.t, filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[d.Name()] = text
		return err
	}))
	return all
}

// lives gives the person a life that leaves something in every table: rows of every state, an address that changed,
// what was told to the application, a dead row with its note, a row that waits. Neighbours make pages split and merge.
func (r *rig) lives(neighbours int) {
	r.t.Helper()
	r.stranger(map[string]string{"email": personEmail, "city": "Paris"})
	r.events(func(insert func(lead, typ, email, properties string)) {
		for i := range neighbours {
			insert(fmt.Sprint("neighbour-", i), "lead.registered", fmt.Sprintf("n%d@example.com", i), `{"firstname":"Neighbour","company":"Works"}`)
			if i == neighbours/2 {
				insert(person, "lead.registered", personEmail, fmt.Sprintf(`{"firstname":%q,"phone":%q,"company":"Analytical-Engines"}`, personName, personPhone))
			}
		}
	})
	_, err := r.db.Exec(`UPDATE lead_outbox SET event_id = ? WHERE lead_id = ?`, personEventID, person)
	must(r.t, err)
	r.start()
	r.settled(5 * time.Minute)
	r.event(person, "lead.updated", personSecond, `{"firstname":"`+personName+`"}`)
	r.event(person, "lead.updated", "", `{"firstname":"`+personName+`"}`)
	r.event(person, "lead.updated", "", `{"no_such_property":"`+personPhone+`"}`)
	r.event(person, personName+" did it", "", `{}`)
	r.event(person, "lead.updated", "not an address of "+personName, `{}`)
	r.settled(5 * time.Minute)
	// The application deletes inbox rows that it has read; its connection does not zero what it frees.
	for range 20 {
		_, err = r.db.Exec(`INSERT INTO lead_inbox (lead_id, email, properties) VALUES (?, ?, ?)`, person, personEmail, strings.Repeat(personPhone, 50))
		must(r.t, err)
	}
	_, err = r.db.Exec(`DELETE FROM lead_inbox WHERE contact_id IS NULL`)
	must(r.t, err)
}

const bothCity = "mapping: {fields: [{lead: city, contact: city, direction: both, winner: hubspot}, {lead: firstname, contact: firstname}, {lead: phone, contact: phone}, {lead: company, contact: company}, {lead: no_such_property, contact: no_such_property}]}"

// erased waits until the erase has gone through all its phases.
func (r *rig) erased(id int64) outcome {
	r.t.Helper()
	r.settled(time.Hour)
	time.Sleep(time.Second)
	return r.want(id, "delivered")
}

// After an erase no byte of the SQLite files, the WAL and the logs holds the person; HubSpot has no contact; every row
// is accounted for; the others are as they were.
func TestG9EraseLeavesNoByte(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 401, Latency: 10 * time.Millisecond}, bothCity+"\nlog: {level: debug}", func(r *rig) {
		l := &logged{}
		l.into(r)
		n := testsize.Of(600, 200)
		r.lives(n)
		var there int
		for _, text := range r.files() {
			for _, w := range personWords {
				there += bytes.Count(text, []byte(w))
			}
		}
		if there < 20 {
			t.Fatalf("the person is in the files only %d times before", there)
		}
		var inbox int
		must(t, r.db.QueryRow(`SELECT count(*) FROM lead_inbox WHERE lead_id = ?`, person).Scan(&inbox))
		if inbox == 0 {
			t.Fatal("nothing was told about the person before")
		}
		id := r.event(person, "lead.erased", "", "")
		began := time.Now()
		o := r.erased(id)
		if d := time.Since(began); d < 2*time.Minute || d > 4*time.Minute {
			t.Errorf("it took %s, want one second look", d)
		}
		if !strings.Contains(o.Note, "1 contacts in HubSpot, 6 other rows and 1 inbox rows") {
			t.Errorf("note %q", o.Note)
		}
		for name, text := range r.files() {
			foundIn(t, name+" while it runs", text, personWords)
		}
		r.stop()
		for name, text := range r.files() {
			foundIn(t, name, text, personWords)
		}
		foundIn(t, "the log", l.text.Bytes(), personWords)
		if c := r.contact(strings.ToLower(personEmail)); c != nil || r.contact(personSecond) != nil {
			t.Errorf("contact %v", c)
		}
		if got := len(r.sim.Contacts()); got != n {
			t.Errorf("%d contacts are live, want the %d of the neighbours", got, n)
		}
		sum := 0
		for _, m := range r.counts() {
			sum += m
		}
		if want := n + 7; sum != want {
			t.Errorf("G1: %d rows, %d inserted", sum, want)
		}
	})
}

// On every dialect no row of any table holds the person.
func TestG9EraseLeavesNoRow(t *testing.T) {
	t.Parallel()
	for _, p := range places(t) {
		t.Run(p.dialect, func(t *testing.T) {
			inScene(t, p, func(s *scene) {
				s.together(func() {
					s.event(person, registered, personEmail, fmt.Sprintf(`{"firstname":%q,"company":"Analytical-Engines"}`, personName), "event_id", personEventID)
					s.event("other", registered, "other@example.com", `{"firstname":"Other"}`)
				})
				s.start()
				s.settled(time.Minute)
				s.together(func() { s.event(person, updated, personSecond, `{"lastname":"`+personPhone+`"}`) })
				s.settled(time.Minute)
				s.together(func() { s.event(person, "lead.erased", "", "{}") })
				s.settled(time.Hour)
				s.stop()
				columns := map[string]string{
					"lead_outbox": "event_id, lead_id, event_type, email, properties, note, contact_id, correlation_id", "lead_inbox": "lead_id, contact_id, email, properties",
					"leadsync_links": "lead_id, contact_id, address, consent, fields, opt_out", "leadsync_portals": "portal, owner, status",
					"leadsync_tombstones": "portal, kind, hash, lead_hash",
				}
				others := 0
				for table, list := range columns {
					rows, err := s.db.Query(`SELECT ` + list + ` FROM ` + table)
					must(t, err)
					names := strings.Split(list, ", ")
					for rows.Next() {
						texts, into := make([]*string, len(names)), make([]any, len(names))
						for i := range texts {
							into[i] = &texts[i]
						}
						must(t, rows.Scan(into...))
						for i, text := range texts {
							if text != nil {
								foundIn(t, table+"."+names[i], []byte(*text), personWords)
								others += strings.Count(*text, "other")
							}
						}
					}
					must(t, errors.Join(rows.Err(), rows.Close()))
				}
				if others < 3 {
					t.Errorf("the other lead is there only %d times", others)
				}
				if got := s.contacts(); len(got) != 1 || got["other@example.com"] == "" {
					t.Errorf("contacts %v", got)
				}
			})
		})
	}
}

// fuse kills the daemon at one moment: before or after a call of the database or of HubSpot. From then on nothing it
// does arrives.
type fuse struct {
	Store
	mu    sync.Mutex
	armed bool
	at, n int
	blown bool
	moves []string
}

var errKilled = errors.New("killed")

// pass is asked at each moment; false = the process is dead.
func (f *fuse) pass(moment string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return true
	}
	if f.blown {
		return false
	}
	f.moves = append(f.moves, moment)
	if f.n++; f.n == f.at {
		f.blown = true
		return false
	}
	return true
}

// around makes a call between two moments.
func (f *fuse) around(name string, call func() error) error {
	if !f.pass("before " + name) {
		return errKilled
	}
	err := call()
	if !f.pass("after " + name) {
		return errKilled
	}
	return err
}

func (f *fuse) Settle(ctx context.Context, s push.Settlement) (n int, err error) {
	err = f.around("settle", func() error { n, err = f.Store.Settle(ctx, s); return err })
	return n, err
}

func (f *fuse) Entomb(ctx context.Context, hub int64, p push.Person) error {
	return f.around("entomb", func() error { return f.Store.Entomb(ctx, hub, p) })
}

func (f *fuse) Wipe(ctx context.Context, p push.Person, note func(push.Wiped) string) error {
	return f.around("wipe", func() error { return f.Store.Wipe(ctx, p, note) })
}

func (f *fuse) Scrub(ctx context.Context, needles []string) error {
	return f.around("scrub", func() error { return f.Store.Scrub(ctx, needles) })
}

func (f *fuse) AllowDeletes(ctx context.Context, asks []push.DeleteAsk, most int, now int64) (a []outbox.EntryID, p int64, err error) {
	err = f.around("brake", func() error { a, p, err = f.Store.AllowDeletes(ctx, asks, most, now); return err })
	return a, p, err
}

func (f *fuse) PendingOf(ctx context.Context, ids []lead.ID, rows, size int) (map[lead.ID]push.LeadRows, error) {
	f.mu.Lock()
	dead := f.blown
	f.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	return f.Store.PendingOf(ctx, ids, rows, size)
}

type fusedWire struct {
	http.RoundTripper
	*fuse
}

func (w fusedWire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if !strings.HasSuffix(r.URL.Path, "gdpr-delete") {
		if w.mu.Lock(); w.blown {
			err = errKilled
		}
		if w.mu.Unlock(); err != nil {
			return nil, err
		}
		return w.RoundTripper.RoundTrip(r)
	}
	err = w.around("gdpr-delete", func() error { resp, err = w.RoundTripper.RoundTrip(r); return err })
	if err != nil && resp != nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

// Killed between any two phases of an erase, the next daemon brings it to its end.
func TestG9EraseCrashBetweenPhases(t *testing.T) {
	t.Parallel()
	var last []string
	for at := 1; ; at++ {
		blown := false
		inBubble(t, hubspotsim.Config{Seed: 402, Latency: 10 * time.Millisecond}, bothCity, func(r *rig) {
			l, f := &logged{}, &fuse{at: at}
			l.into(r)
			r.between = func(s Store) Store { f.Store = s; return f }
			r.base = func(inner http.RoundTripper) http.RoundTripper { return fusedWire{inner, f} }
			r.lives(3)
			f.mu.Lock()
			f.armed = true
			f.mu.Unlock()
			id := r.event(person, "lead.erased", "", "")
			for range 300 {
				time.Sleep(time.Second)
				f.mu.Lock()
				blown = f.blown
				f.mu.Unlock()
				if blown || r.outcome(id).State != "pending" {
					break
				}
			}
			r.stop()
			f.mu.Lock()
			f.armed, f.blown = false, false
			last = slices.Clone(f.moves)
			f.mu.Unlock()
			r.start()
			r.erased(id)
			late := r.event(person, "lead.updated", personSecond, `{"firstname":"`+personName+`"}`)
			r.settled(time.Minute)
			r.want(late, "skipped/erased")
			r.stop()
			for name, text := range r.files() {
				foundIn(t, fmt.Sprintf("killed at %d (%s): %s", at, last[len(last)-1], name), text, personWords)
			}
			foundIn(t, "the log", l.text.Bytes(), personWords)
			if n := len(r.sim.Contacts()); n != 3 {
				t.Errorf("killed at %d (%s): %d contacts", at, last[len(last)-1], n)
			}
		})
		if !blown || t.Failed() {
			break
		}
		if !testsize.Full() {
			at += 2
		}
	}
	t.Logf("killed at each of: %s", strings.Join(last, ", "))
	for _, phase := range []string{"before entomb", "after entomb", "before gdpr-delete", "after gdpr-delete", "before wipe", "after wipe", "before scrub", "after scrub", "before settle", "after settle"} {
		if !slices.Contains(last, phase) {
			t.Errorf("there was no moment %s", phase)
		}
	}
}

// A create is under way when the erase comes: HubSpot executes it after our time-out, and the second look finds it.
func TestG9EraseWithACreateInFlight(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"batch_create=late:40sx1", "batch_create=lostx1", "batch_create=hangx1", "batch_create=late:5sx1", "batch_create=noidsx1"} {
		inBubble(t, hubspotsim.Config{Seed: 403}, "", func(r *rig) {
			must(t, r.sim.SetFaults(fault))
			r.event(person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
			r.start()
			time.Sleep(200 * time.Millisecond)
			id := r.event(person, "lead.erased", "", "")
			r.erased(id)
			time.Sleep(3 * time.Minute)
			r.nobody()
			for name, text := range r.files() {
				foundIn(t, fault+": "+name, text, personWords)
			}
		})
	}
}

// Whatever stands among the pending rows, an erase wins (finding 14a): it is not folded away, and what HubSpot does to
// it only delays it.
func TestG9EraseWinsOverEverything(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "gdpr_delete=500x2", "gdpr_delete=lostx1", "gdpr_delete=hangx1", "gdpr_delete=429x1", "batch_read=500x2", "get=502htmlx2", "gdpr_delete=400x1"} {
		inBubble(t, hubspotsim.Config{Seed: 404}, "", func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			r.stop()
			must(t, r.sim.SetFaults(fault))
			id := r.event("1", "lead.erased", "broken address", `no JSON at all`)
			upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
			del := r.event("1", "lead.deleted", "", "")
			reg := r.event("1", "lead.registered", "ada@example.com", `{}`)
			never := r.event("2", "lead.erased", "", "") // nobody ever heard of it
			r.start()
			r.erased(id)
			r.erased(never)
			for _, other := range []int64{upd, del, reg} {
				r.want(other, "skipped/erased")
			}
			r.nobody()
			if st := r.sim.Stats(); st.Early > 0 {
				t.Errorf("%s: %d requests came too early", fault, st.Early)
			}
		})
	}
}

// TestG9EraseOfIdsThatLookLikeMarkers: a lead whose id begins as the marker of a wiped row does is a lead like any
// other, and its erase wipes it; so is one that copies a marker of somebody else's.
func TestG9EraseOfIdsThatLookLikeMarkers(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 412}, "", func(r *rig) {
		r.event("first", "lead.registered", "first@example.com", `{"firstname":"First"}`)
		r.start()
		r.settled(time.Minute)
		first := r.event("first", "lead.erased", "", "{}")
		r.erased(first)
		for i, id := range []string{"erased:", "erased:" + personName, "erased:" + strings.Repeat("ab", 32)} {
			mail := fmt.Sprintf("%s%d@example.com", personName, i)
			r.event(id, "lead.registered", mail, `{"firstname":"`+personName+`","phone":"`+personPhone+`"}`)
			r.settled(time.Minute)
			erase := r.event(id, "lead.erased", "", `{"why":"`+personPhone+`"}`)
			r.erased(erase)
			late := r.event(id, "lead.registered", mail, `{"firstname":"`+personName+`"}`)
			r.settled(time.Minute)
			r.want(late, "skipped/erased")
			r.nobody()
			for name, text := range r.files() {
				foundIn(t, name+" after "+id, text, []string{personName, personPhone})
			}
		}
	})
}

// A refusal of the erase is a row's own trouble: tried again, then dead with HubSpot's words, and the lead stays
// silent.
func TestG9EraseRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 405}, "push: {max_attempts: 2}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.SetFaults("gdpr_delete=400"))
		id := r.event("1", "lead.erased", "", "")
		r.settled(time.Hour)
		if o := r.want(id, "dead/refused"); o.Attempts != 2 || o.Correlation == "" {
			t.Errorf("%d attempts, correlation id %q", o.Attempts, o.Correlation)
		}
		upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
		r.settled(time.Minute)
		r.want(upd, "skipped/erased")
		must(t, r.sim.SetFaults(""))
		r.requeue(id)
		r.erased(id)
		r.nobody()
	})
}

// Late and replayed events of an erased lead end as erased and leave nothing; the address stops a new lead, and not one
// that has a contact; ids that differ in case are other leads; forgetting the tombstone lets the person come back.
func TestG9EraseTombstone(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 406}, "", func(r *rig) {
		r.insertAs(1000, person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
		r.insertAs(1001, "linked", "lead.registered", "linked@example.com", `{"firstname":"Linked"}`)
		r.start()
		r.settled(time.Minute)
		r.insertAs(1002, person, "lead.erased", "", "{}")
		r.erased(1002)
		r.insertAs(500, person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`) // a transaction that commits late
		replayed := r.event(person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
		stopped := r.event("new lead", "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
		r.settled(time.Minute)
		for _, id := range []int64{500, replayed, stopped} {
			r.want(id, "skipped/erased")
		}
		for name, text := range r.files() {
			foundIn(t, name, text, personWords)
		}
		upper := r.event(strings.ToUpper(person), "lead.registered", "upper@example.com", "{}")
		moved := r.event("linked", "lead.updated", personEmail, "{}")
		r.settled(time.Minute)
		r.want(upper, "delivered")
		r.want(moved, "delivered")
		if n := len(r.sim.Contacts()); n != 2 {
			t.Errorf("%d contacts", n)
		}
		r.restart()
		again := r.event(person, "lead.erased", "", "") // a replay of the erase itself
		r.erased(again)
		r.wantContact(strings.ToLower(personEmail), map[string]string{"firstname": "Linked"}) // it is another lead's now

		db, err := store.Open(context.Background(), r.url, store.Options{})
		must(t, err)
		a := r.app()
		must(t, a.openOnce(context.Background()))
		hash := store.LeadTombstone(a.hasher.Tombstone, "default", person)
		a.close()
		n, err := db.Operator().ForgetTombstones(context.Background(), "default", hash)
		must(t, err)
		must(t, db.Close())
		if n == 0 {
			t.Error("nothing to forget")
		}
		back := r.event(person, "lead.registered", "back@example.com", `{"firstname":"`+personName+`"}`)
		r.settled(time.Minute)
		r.want(back, "delivered")
		r.wantContact("back@example.com", map[string]string{"firstname": personName})
	})
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// Everything that HubSpot holds of the person goes: a contact in the recycle bin, one under an old address, one that
// people merged, one that only the id property names; a contact of another lead stays.
func TestG9EraseFindsEveryContact(t *testing.T) {
	t.Parallel()
	cfg := hubspotsim.Config{Seed: 407, Properties: []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}}
	for _, yaml := range []string{"", "mapping: {id_property: lead_key}"} {
		inBubble(t, cfg, yaml, func(r *rig) {
			first := r.event(person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
			r.event("other", "lead.registered", "other@example.com", `{"firstname":"Other"}`)
			r.start()
			r.settled(time.Minute)
			bin := r.outcome(first).Contact
			must(t, r.sim.Edit(hubspotsim.Target{Email: personEmail}, map[string]string{"email": "changed-there@example.com"}))
			r.event(person, "lead.deleted", "", "")
			second := r.event(person, "lead.registered", personSecond, `{"firstname":"`+personName+`"}`)
			r.settled(time.Minute)
			taken := r.event(person, "lead.updated", "other@example.com", "{}") // dead: it is another lead's
			byPeople := r.stranger(map[string]string{"email": personEmail, "firstname": "made by people under the old address"})
			survivor := r.stranger(map[string]string{"email": "imported@example.com"})
			_ = survivor
			_, err := r.sim.Merge(hubspotsim.Target{Email: "imported@example.com"}, hubspotsim.Target{Email: personSecond})
			must(t, err)
			if yaml != "" {
				r.stranger(map[string]string{"email": "marked@example.com", "firstname": "Marked"})
			}
			id := r.event(person, "lead.erased", "", "")
			time.Sleep(time.Minute)
			// Nothing shows that the contact under the old address is the person's; an operator says so.
			if o := r.want(id, "dead/shared_contact"); !strings.HasPrefix(o.Note, "contact "+byPeople+":") {
				t.Errorf("note %q", o.Note)
			}
			id = r.eraseAlso(person, byPeople)
			o := r.erased(id)
			if !strings.Contains(o.Note, "3 contacts in HubSpot") || !strings.Contains(o.Note, "1 contacts of other leads under an address of the lead were left") {
				t.Errorf("note %q", o.Note)
			}
			var left []string
			for _, c := range r.sim.Contacts() {
				left = append(left, c.Properties["email"])
			}
			want := []string{"other@example.com"}
			if yaml != "" {
				want = append(want, "marked@example.com")
			}
			if slices.Sort(left); !slices.Equal(left, want) && !slices.Equal(left, []string{"marked@example.com", "other@example.com"}) {
				t.Errorf("left are %v", left)
			}
			if _ = second; bin == "" || r.inBin(bin) {
				t.Errorf("contact %q is in the recycle bin", bin)
			}
			_ = taken
		})
	}
}

// inBin reports whether HubSpot shows a contact among the archived ones.
func (r *rig) inBin(id string) bool {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/crm/objects/2026-09/contacts/"+id+"?archived=true", nil)
	must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.sim.Credentials().StaticToken)
	resp, err := r.sim.Transport().RoundTrip(req)
	must(r.t, err)
	must(r.t, resp.Body.Close())
	return resp.StatusCode == http.StatusOK
}

// After a merge of two leads' contacts the erase of one is dead as shared_contact, and changes nothing, until an
// operator says so.
func TestG9EraseSharedContact(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 408}, "", func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
			r.start()
			r.settled(time.Minute)
			_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "bob@example.com"})
			must(t, err)
			upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`) // finds the merge for both
			r.settled(time.Minute)
			r.want(upd, "delivered")
			if known {
				r.event("2", "lead.updated", "", `{"company":"Works"}`)
				r.settled(time.Minute)
			}
			id := r.event("2", "lead.erased", "", "")
			r.settled(time.Hour)
			if o := r.want(id, "dead/shared_contact"); !strings.Contains(o.Note, "--also") {
				t.Errorf("note %q", o.Note)
			}
			r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Engines"})
			if id = r.eraseAlso("2", string(store.AnyShared)); known {
				id = r.eraseAlso("2", fmt.Sprint(r.sim.Contacts()[0].ID))
			}
			r.erased(id)
			r.nobody()
			upd = r.event("1", "lead.updated", "", `{"company":"Works"}`)
			r.settled(time.Minute)
			r.want(upd, "dead/contact_purged")
		})
	}
}

// While another program still reads the old pages of the file, the row waits: it is delivered when they are gone.
func TestG9EraseWaitsForReaders(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 409}, "", func(r *rig) {
		r.event(person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
		r.start()
		r.settled(time.Minute)
		id := r.event(person, "lead.erased", "", "")
		time.Sleep(time.Minute)
		tx, err := r.db.Begin()
		must(t, err)
		var n int
		must(t, tx.QueryRow(`SELECT count(*) FROM lead_outbox`).Scan(&n))
		time.Sleep(5 * time.Minute)
		var state string
		must(t, tx.QueryRow(`SELECT state FROM lead_outbox WHERE id = ?`, id).Scan(&state))
		must(t, tx.Rollback())
		if o := r.outcome(id); o.State != "pending" || !strings.Contains(o.Note, "erased") {
			t.Errorf("while the old pages are read: %s (%s)", o.word(), o.Note)
		}
		r.erased(id)
		for name, text := range r.files() {
			foundIn(t, name, text, personWords)
		}
	})
}
