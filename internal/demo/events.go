package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"leadsync/internal/backoff"
	"leadsync/internal/outbox"
)

const (
	registered   = string(outbox.Registered)
	updated      = string(outbox.Updated)
	unsubscribed = string(outbox.Unsubscribed)
	deleted      = string(outbox.Deleted)
	erased       = string(outbox.Erased)
)

// Leads of the generator that are beyond every demo, for addresses that nobody else has.
const (
	ghostLead = 10_000_000
	movedLead = 20_000_000
)

// ownLead is the id of a lead that the story itself brings.
func ownLead(name string) string { return "leadsync-demo-" + name }

// update is a change of job and telephone number of a lead. The round makes the values.
func (s *story) update(lead string, i, round int) event {
	return event{leadID: lead, kind: updated, properties: text(s.source.gen.Update(i, round)), want: s.well()}
}

// well are the good endings of a row; what a file says of its leads may stand in the way of one.
func (s *story) well() []string {
	if !s.source.own {
		return nil
	}
	return wellEnded
}

// changed are changes of every tenth of the leads that HubSpot has; another round takes others and has other values.
func (s *story) changed(round int) []event {
	var events []event
	if n := min(10, len(s.steady)); n > 0 {
		for i := round % n; i < len(s.steady); i += 10 {
			events = append(events, s.update(s.steady[i], i, round))
		}
	}
	return events
}

// company adds changes of earlier leads to the events of a part, and a newcomer where no generated lead is among them:
// so HubSpot has something to create in every part.
func (s *story) company(events []event, part string, round int) []event {
	all := append(slices.Clone(events), s.changed(round)...)
	if !s.source.own || len(events) == 0 {
		l := s.source.gen.Lead(ghostLead + round)
		all = append(all, event{leadID: ownLead(part), kind: registered, email: &l.Email, properties: l.JSON(), want: wellEnded})
	}
	return all
}

// piled are three changes in a row of some leads, for a time when nothing can be sent: they fold into one, and the last
// one counts.
func (s *story) piled() []event {
	var events []event
	for round := 21; round < 24; round++ {
		for i, lead := range s.steady[:min(10, len(s.steady))] {
			events = append(events, s.update(lead, i, round))
		}
	}
	return events
}

// changes: leads change, say the same again, clear a field, change their address; and an application that is not sure
// whether it said something says it once more under the same event id.
func (s *story) changes(ctx context.Context) error {
	s.begin("leads change, and some say it twice")
	var first, then []event
	for i, lead := range s.steady {
		e := s.update(lead, i, 1)
		e.eventID = fmt.Sprintf("demo:%s:1", lead)
		first = append(first, e)
		switch i % 5 {
		case 0: // the same values once more, as another event
			e.eventID, e.want = "", endsUnchanged
			then = append(then, e)
		case 1: // something new, and then the first event again
			then = append(then, s.update(lead, i, 2))
			e.want = endsDuplicate
			then = append(then, e)
		case 2:
			then = append(then, event{leadID: lead, kind: updated, properties: `{"website":null}`, want: s.well()})
		case 3:
			moved := s.source.gen.Lead(movedLead + i).Email
			then = append(then, event{leadID: lead, kind: updated, email: &moved, properties: "{}", want: s.well()})
		}
	}
	for _, events := range [][]event{first, then} {
		if err := s.insert(ctx, events, true); err != nil {
			return err
		}
		if err := s.settled(ctx); err != nil {
			return err
		}
	}
	return nil
}

// poison: bad rows among good ones. Each ends in its own state with its reason, and takes nobody with it.
func (s *story) poison(ctx context.Context, events []event) error {
	s.begin("poison among good rows")
	address := func(a string) *string { return &a }
	good := s.source.gen.Lead(ghostLead + 100)
	bad := []event{
		{leadID: ownLead("broken-json"), kind: registered, email: &good.Email, properties: `{"firstname": "Ada"`, want: dead("invalid_json")},
		{leadID: ownLead("nested"), kind: registered, email: &good.Email, properties: `{"company": {"name": "Analytical Engines"}}`, want: dead("nested_value")},
		{leadID: ownLead("no-address"), kind: registered, email: address("ada at example.com"), properties: `{"firstname": "Ada"}`, want: dead("invalid_email")},
		{leadID: ownLead("no-type"), kind: "lead.renamed", email: &good.Email, properties: `{}`, want: dead("unknown_event_type")},
		// The simulator refuses the whole batch this one is in, and names nothing.
		{leadID: ownLead("poison"), kind: registered, email: address("fault-whole400-demo@example.com"), properties: `{"firstname": "Ada"}`, want: dead("refused")},
		// And only this one, by its address.
		{leadID: ownLead("disliked"), kind: registered, email: address("fault-invalid-demo@example.com"), properties: `{"firstname": "Ada"}`, want: dead("invalid_email")},
	}
	if len(s.steady) > 0 {
		lead := s.steady[0]
		bad = append(bad,
			event{leadID: lead, kind: updated, properties: `{"hs_lead_status": "PERHAPS", "city": "Alexandria"}`, want: []string{"delivered"}},
			event{leadID: lead, kind: updated, properties: `{"hs_lead_status": "PERHAPS"}`, want: dead("invalid_property")})
	}
	half := len(events) / 2
	mixed := slices.Concat(events[:half], bad, events[half:])
	if err := s.app.commit(ctx, mixed, false); err != nil {
		return err
	}
	return s.settled(ctx)
}

// afterwards: life goes on under the new daemon.
func (s *story) afterwards(ctx context.Context) error {
	s.begin("life goes on")
	for _, e := range s.changed(16) {
		if err := s.app.commit(ctx, []event{e}, true); err != nil {
			return err
		}
		if err := backoff.Sleep(ctx, singleGap); err != nil {
			return err
		}
	}
	return s.settled(ctx)
}

// text is a properties column.
func text(properties map[string]any) string {
	b, err := json.Marshal(properties)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}
