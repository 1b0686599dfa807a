package pull

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// bin is a HubSpot with a recycle bin, and with contacts that are live when they are asked for by id.
type bin struct {
	script
	binned, live []hubspot.Contact
}

func (b *bin) List(context.Context, hubspot.ListRequest) (*hubspot.Page, error) {
	return &hubspot.Page{Contacts: b.binned, Date: noon}, nil
}

func (b *bin) BatchRead(_ context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
	return &hubspot.BatchResult{Results: slices.DeleteFunc(slices.Clone(b.live), func(c hubspot.Contact) bool {
		return !slices.Contains(r.IDs, string(c.ID))
	})}, nil
}

// shelf is a memory that knows contacts without a lead, and what is gone.
type shelf struct {
	*memory
	strangers, gone []ledger.Link
}

func (s *shelf) Strangers(_ context.Context, _ int64, ids []lead.ContactID) ([]ledger.Link, error) {
	return slices.DeleteFunc(slices.Clone(s.strangers), func(l ledger.Link) bool {
		return !slices.Contains(ids, l.ContactID)
	}), nil
}

func (s *shelf) GoneAfter(context.Context, int64, lead.ContactID, int) ([]ledger.Link, error) {
	return slices.Clone(s.gone), nil
}

// swept sweeps once: which leads are read again, and what is told and kept of contacts without a lead.
func swept(t *testing.T, hub *bin, store *shelf) (reread []lead.ID, told, kept []string) {
	t.Helper()
	leads := &nobody{}
	p := newPuller(hub, leads, store)
	p.cfg.Unknown = Inbox
	if _, err := p.Run(t.Context(), Archived, RunOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, page := range store.pages {
		for _, i := range page.Inbox {
			if i.LeadID == "" {
				told = append(told, fmt.Sprint(i.ContactID, " ", i.ChangeType, " ", noon.Sub(time.UnixMilli(i.ChangedAt))))
			}
		}
		for _, l := range page.Strangers {
			kept = append(kept, fmt.Sprint(l.ContactID, " ", l.State))
		}
	}
	return leads.reread, told, kept
}

// Of the contacts in the recycle bin a lead's is looked at when the lead is this portal's and has it still. One without
// a lead, in any portal, is told when it was told before, not as deleted, and is not back already: with the time at
// which it was archived, or of its last change where HubSpot does not say.
func TestSweepOfTheBin(t *testing.T) {
	hub, store := &bin{live: []hubspot.Contact{{ID: "7"}}}, &shelf{memory: newMemory()}
	for id := range 8 {
		c := hubspot.Contact{ID: lead.ContactID(fmt.Sprint(id + 1)), Archived: true, UpdatedAt: noon.Add(-2 * time.Hour)}
		if c.ID != "5" {
			c.ArchivedAt = noon.Add(-time.Hour)
		}
		hub.binned = append(hub.binned, c)
	}
	store.links = []ledger.Link{{Portal: "default", LeadID: "a", ContactID: "1", State: ledger.Linked},
		{Portal: "default", LeadID: "b", ContactID: "2", State: ledger.Gone},
		{Portal: "other", LeadID: "c", ContactID: "3", State: ledger.Linked}}
	store.strangers = []ledger.Link{{ContactID: "3", State: ledger.Linked}, {ContactID: "4", State: ledger.Linked},
		{ContactID: "5", State: ledger.Linked}, {ContactID: "6", State: ledger.Gone}, {ContactID: "7", State: ledger.Linked}}
	reread, told, kept := swept(t, hub, store)
	if !slices.Equal(reread, []lead.ID{"a"}) {
		t.Errorf("read again %v", reread)
	}
	want := []string{"4 contact.deleted 1h0m0s", "5 contact.deleted 2h0m0s"}
	if !slices.Equal(told, want) || !slices.Equal(kept, []string{"4 gone", "5 gone"}) {
		t.Errorf("told %q, kept %q", told, kept)
	}
}

// Of what was gone and is there again a lead's is read again. One without a lead is told as restored, unless another
// stream has met it meanwhile, whose reading may be the newer one, or a lead has it now.
func TestSweepOfWhatCameBack(t *testing.T) {
	old := "Old"
	hub, store := &bin{}, &shelf{memory: newMemory()}
	values := map[string]*string{"company": &old}
	for _, id := range []lead.ContactID{"1", "2", "3", "4"} {
		hub.live = append(hub.live, hubspot.Contact{ID: id, UpdatedAt: noon, Properties: values})
	}
	fields := map[string]ledger.Field{"company": {Seen: "Old"}}
	newer := map[string]ledger.Field{"company": {Seen: "New"}}
	store.gone = []ledger.Link{{LeadID: "a", ContactID: "1", State: ledger.Gone},
		{ContactID: "2", State: ledger.Gone, Fields: fields}, {ContactID: "3", State: ledger.Gone, Fields: fields},
		{ContactID: "4", State: ledger.Gone}, {ContactID: "5", State: ledger.Gone}}
	store.strangers = []ledger.Link{{ContactID: "2", State: ledger.Gone, Fields: fields},
		{ContactID: "3", State: ledger.Linked, Fields: newer}, {ContactID: "5", State: ledger.Gone}}
	reread, told, kept := swept(t, hub, store)
	if !slices.Equal(reread, []lead.ID{"a"}) {
		t.Errorf("read again %v", reread)
	}
	if last := store.positions[Archived].Last; last == nil || last.Seen != 5 || last.Applied != 2 { // with lead a
		t.Errorf("counts %+v", last)
	}
	if !slices.Equal(told, []string{"2 contact.restored 0s"}) || !slices.Equal(kept, []string{"2 linked"}) {
		t.Errorf("told %q, kept %q", told, kept)
	}
}
