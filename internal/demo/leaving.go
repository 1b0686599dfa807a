package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Leads that the story brings to see them go.
const (
	quietLead     = "unsubscribes"
	leavingLead   = "leaves"
	forgottenLead = "forgotten"
)

var endsErased = []string{"skipped/erased"}

// newcomer registers a lead of the story.
func (s *story) newcomer(name string, i int) event {
	l := s.source.gen.Lead(ghostLead + i)
	return event{leadID: ownLead(name), kind: registered, email: &l.Email, properties: l.JSON(), want: wellEnded}
}

const (
	// slowness of HubSpot's updates while the backlog waits.
	slowness = "batch_update=slow:400msx1000"
	// maxBacklog bounds the rows of the backlog.
	maxBacklog = 1000
)

// overtaking: HubSpot is slow, a backfill waits, and behind it somebody unsubscribes. The opt-out does not wait for the
// backlog.
func (s *story) overtaking(ctx context.Context) error {
	s.begin("an unsubscribe overtakes a backlog")
	if err := s.insert(ctx, []event{s.newcomer(quietLead, 41), s.newcomer(leavingLead, 42), s.newcomer(forgottenLead, 43)}, false); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	leads, err := s.app.delivered(ctx)
	if err != nil {
		return err
	}
	var backlog []event
	for i, lead := range leads {
		if lead != ownLead(quietLead) && len(backlog) < maxBacklog {
			e := s.update(lead, i, 30)
			e.lane = "backfill"
			backlog = append(backlog, e)
		}
	}
	if err := s.hub.sim.SetFaults(slowness); err != nil {
		return fmt.Errorf("make the simulated HubSpot slow: %w", err)
	}
	if err := s.insert(ctx, backlog, false); err != nil {
		return err
	}
	if err := s.app.commit(ctx, []event{{leadID: ownLead(quietLead), kind: unsubscribed, properties: "{}", want: []string{"delivered"}}}, false); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	if err := s.hub.sim.SetFaults(""); err != nil {
		return fmt.Errorf("make the simulated HubSpot behave: %w", err)
	}
	endings, err := s.app.endings(ctx)
	if err != nil {
		return err
	}
	var a Account
	addLeaving(&a, s.app.journal, endings)
	s.happened("an unsubscribe before a row of the backlog", a.Overtook, 1)
	return nil
}

// leaving: one lead is deleted, and one is erased for privacy. What the application says of the second one in the same
// breath goes nowhere, and no file of the database or of the log holds the address any more.
func (s *story) leaving(ctx context.Context) error {
	s.begin("one lead is deleted, another is erased for good")
	address := s.source.gen.Lead(ghostLead + 43).Email
	before, err := s.remembered(address)
	if err != nil {
		return err
	}
	s.happened("the address of the lead that is erased, in the database,", len(before), 1)
	err = s.insert(ctx, []event{
		{leadID: ownLead(leavingLead), kind: deleted, properties: "{}", want: []string{"delivered"}},
		{leadID: ownLead(forgottenLead), kind: erased, properties: "{}", want: []string{"delivered"}},
		{leadID: ownLead(forgottenLead), kind: updated, properties: `{"city":"Alexandria"}`, want: endsErased},
	}, false)
	if err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	after, err := s.remembered(address)
	for _, name := range after {
		s.broken = append(s.broken, fmt.Sprintf("part %q: %s holds the address of the erased lead", s.part, name))
	}
	return err
}

// remembered are the files beside the database that hold an address.
func (s *story) remembered(address string) (names []string, err error) {
	err = filepath.WalkDir(s.folder.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file that the database is done with
		}
		if bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(address))) {
			names = append(names, entry.Name())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for an address in the files: %w", err)
	}
	return names, nil
}

// addLeaving counts what became of those who go. The unsubscribe overtook the rows that were committed before it and
// settled after it.
func addLeaving(a *Account, journal []inserted, endings map[int64]ending) {
	a.UnsubscribeMs = -1
	for _, i := range journal {
		e := endings[i.id]
		if e.state != "delivered" {
			continue
		}
		switch {
		case i.kind == deleted:
			a.Deleted++
		case i.kind == erased:
			a.Erased++
		case i.kind == unsubscribed && i.leadID == ownLead(quietLead):
			a.UnsubscribeMs = max(0, e.settledAt-i.committedAt.UnixMilli())
			for _, before := range journal {
				if before.id < i.id && before.lane == "backfill" && endings[before.id].settledAt > e.settledAt {
					a.Overtook++
				}
			}
		}
	}
}
