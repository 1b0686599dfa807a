package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/observe"
	"leadsync/internal/replay"
)

// The fields of the generated leads that people in HubSpot may change too, and who wins when both sides did.
// folder.yaml says so to the daemon; the rest is the application's alone.
const (
	theirs = "zip"     // winner hubspot
	newest = "country" // winner newest
)

// heard are the properties that the application is told of, with the lead fields they are.
var heard = map[string]string{theirs: theirs, newest: newest}

// persons are the places in story.steady of the leads whose contacts people change. changed(15), which are on their way
// when the daemon is killed, are none of them.
const (
	editedLead, optedOutLead, archivedLead = 1, 2, 4
	theirsLead, newestLead                 = 6, 7
	personLeads                            = 8
)

// people says whether the story has people in it: they need leads that it knows well.
func (s *story) people() bool { return s.source.own && len(s.steady) >= personLeads }

// target is the contact of a steady lead.
func (s *story) target(ctx context.Context, i int) (hubspotsim.Target, error) {
	endings, err := s.app.endings(ctx)
	if err != nil {
		return hubspotsim.Target{}, err
	}
	for _, row := range s.app.journal {
		if e := endings[row.id]; row.leadID == s.steady[i] && e.contactID != "" {
			return hubspotsim.Target{ID: e.contactID}, nil
		}
	}
	return hubspotsim.Target{}, fmt.Errorf("no row of the demo's lead %s names its contact", s.steady[i])
}

// person does something to the contact of a steady lead, in HubSpot.
func (s *story) person(ctx context.Context, i int, do func(hubspotsim.Target) error) error {
	at, err := s.target(ctx, i)
	if err == nil {
		err = do(at)
	}
	if err != nil {
		return fmt.Errorf("play a person in the simulated HubSpot: %w", err)
	}
	return nil
}

// edit is a person's edit of one value. It counts as made after the last row so far, or after the next one, which loses
// to it.
func (s *story) edit(ctx context.Context, i int, property, value string, wins bool) error {
	return s.person(ctx, i, func(at hubspotsim.Target) error {
		after := s.app.journal[len(s.app.journal)-1].id
		if wins {
			after++
		}
		s.edits = append(s.edits, replay.Edit{ContactID: at.ID, Property: property, Value: value, After: after})
		return s.hub.sim.Edit(at, map[string]string{property: value})
	})
}

// salesDay: people edit a contact, opt one out, throw one away and take it back. Each change comes to the application
// once.
func (s *story) salesDay(ctx context.Context) error {
	if !s.people() {
		return nil
	}
	s.begin("people work in HubSpot, and the application is told")
	if err := s.edit(ctx, editedLead, theirs, "00042", false); err != nil {
		return err
	}
	if err := s.edit(ctx, editedLead, newest, "Atlantis", false); err != nil {
		return err
	}
	err := s.person(ctx, optedOutLead, func(at hubspotsim.Target) error {
		i := slices.IndexFunc(s.hub.sim.Contacts(), func(c hubspotsim.ContactView) bool { return c.ID == at.ID })
		if i < 0 {
			return errors.New("the contact is gone")
		}
		s.edits = append(s.edits, replay.Edit{ContactID: at.ID, Property: "hs_email_optout", Value: "true", After: s.app.journal[len(s.app.journal)-1].id})
		s.hub.sim.Optout(s.hub.sim.Contacts()[i].Properties["email"], true)
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.person(ctx, archivedLead, s.hub.sim.Archive); err != nil {
		return err
	}
	if err := s.hears(ctx, "contact.updated", "contact.unsubscribed", "contact.deleted"); err != nil {
		return err
	}
	s.begin("an archived contact comes back")
	if err := s.person(ctx, archivedLead, s.hub.sim.Restore); err != nil {
		return err
	}
	return s.hears(ctx, "contact.restored")
}

// apart is the time between what a person and what the application does where the later one is to win: far more than a
// clock's tick.
const apart = 20 * time.Millisecond

// bothSides: while the daemon is away, people and the application change the same field. HubSpot wins the first one,
// the newest value the second one, which is the application's.
func (s *story) bothSides(ctx context.Context) error {
	if !s.people() {
		return nil
	}
	if err := s.edit(ctx, theirsLead, theirs, "00043", true); err != nil {
		return err
	}
	// The other field of the row has no rival.
	loses := event{leadID: s.steady[theirsLead], kind: updated, properties: `{"zip":"99999","company":"Analytical Engines"}`, want: wellEnded}
	if err := s.app.commit(ctx, []event{loses}, false); err != nil {
		return err
	}
	if err := s.edit(ctx, newestLead, newest, "Lemuria", false); err != nil {
		return err
	}
	s.lost = s.edits[len(s.edits)-1]
	if err := backoff.Sleep(ctx, apart); err != nil {
		return err
	}
	wins := event{leadID: s.steady[newestLead], kind: updated, properties: `{"country":"Norway"}`, want: wellEnded}
	return s.app.commit(ctx, []event{wins}, false)
}

// decided wants both conflicts to be named in the log, with the side that won, and the person's value to be told.
func (s *story) decided(ctx context.Context) error {
	if !s.people() {
		return nil
	}
	s.begin("who won is named, and told")
	if err := s.hears(ctx, "contact.updated"); err != nil {
		return err
	}
	log, err := s.daemon.said()
	if err != nil {
		return err
	}
	for _, want := range [][]string{{theirs, "hubspot"}, {newest, "app"}} {
		named := 0
		for line := range strings.Lines(log) {
			if strings.Contains(line, `"`+observe.ConflictDecided+`"`) && strings.Contains(line, `"`+want[0]+`"`) && strings.Contains(line, `"`+want[1]+`"`) {
				named++
			}
		}
		s.happened("a conflict over "+want[0]+" that "+want[1]+" wins, in the log,", named, 1)
		s.conflicts += named
	}
	return nil
}

// hearPatience is how long a change may take to come to the application: a look a second, and a pull that may just have
// begun.
const hearPatience = 8 * time.Second

// hears waits until the application is told changes of these types, each beyond those it was told before.
func (s *story) hears(ctx context.Context, types ...string) error {
	want := maps.Clone(s.expected)
	if want == nil {
		want = map[string]int{}
	}
	for _, one := range types {
		want[one]++
	}
	s.expected = want
	limit := time.Now().Add(cmp.Or(s.patience, hearPatience))
	for {
		if err := s.app.hear(ctx); err != nil {
			return err
		}
		if _, err := s.look(ctx); err != nil {
			return err
		}
		told := s.app.toldTypes()
		missing := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(one string) bool { return told[one] >= want[one] })
		if len(missing) == 0 {
			s.out.done(s.last)
			return nil
		}
		if time.Now().After(limit) {
			for _, one := range missing {
				s.happened(one+" in the inbox", told[one], want[one])
			}
			return nil
		}
		if err := backoff.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// toldTypes counts what the application was told.
func (a *application) toldTypes() map[string]int {
	n := map[string]int{}
	for _, t := range a.told {
		n[t.ChangeType]++
	}
	return n
}

// changes are what people did, for the replay. The value that the application's overtook is marked.
func (s *story) peoplesChanges() []replay.Change {
	var all []replay.Change
	for _, c := range s.hub.sim.Changes() {
		lost := s.lost.ContactID != "" && c.ContactID == s.lost.ContactID && c.Property == s.lost.Property && c.Value == s.lost.Value
		all = append(all, replay.Change{Kind: c.Kind, ContactID: c.ContactID, Property: c.Property, Value: c.Value, Was: c.Was, At: c.At, Lost: lost})
	}
	return all
}
