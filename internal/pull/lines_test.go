package pull

import (
	"context"
	"slices"
	"testing"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/settlement"
)

// An answer without a Date says nothing about the clocks.
func TestNoDateIsNoDifference(t *testing.T) {
	p := New(Config{}, nil, nil, nil)
	ours := time.Now()
	for date, want := range map[time.Time]bool{{}: false, ours.Add(apart): false, ours.Add(apart + time.Second): true, ours.Add(-apart - time.Second): true} {
		if got := p.differ(date, ours); got != want || (p.ClockOff() != 0) != want {
			t.Errorf("%s: differ %t by %s, want %t", date, got, p.ClockOff(), want)
		}
	}
}

// A position is beyond now by any of the times that it holds.
func TestBeyond(t *testing.T) {
	for name, c := range map[string]struct {
		pos  Position
		want bool
	}{
		"all before":  {Position{Watermark: 10, Began: 10, Scan: &Scan{Lo: 10, Hi: 10}}, false},
		"watermark":   {Position{Watermark: 11}, true},
		"beginning":   {Position{Began: 11}, true},
		"scan's low":  {Position{Watermark: 9, Scan: &Scan{Lo: 11}}, true},
		"scan's high": {Position{Watermark: 9, Scan: &Scan{Lo: 9, Hi: 11}}, true},
	} {
		if got := c.pos.beyond(10); got != c.want {
			t.Errorf("%s: beyond %t, want %t", name, got, c.want)
		}
	}
}

// buried is a Store that knows an address and a contact of somebody who was erased.
type buried struct{ Store }

func (buried) Tombstoned(context.Context, int64, []lead.ID, []lead.ContactID, []string) (settlement.Tombstoned, error) {
	return settlement.Tombstoned{Contacts: map[lead.ContactID]bool{"9": true}, Addresses: map[string]bool{"gone@example.com": true}}, nil
}

// What a page is about to tell of somebody who was erased is left out, by contact and, where no lead has it, by
// address; a lead that was read again is held, so that no erase of it goes on.
func TestSilence(t *testing.T) {
	r := &run{p: New(Config{}, nil, nil, buried{})}
	row := func(id lead.ID, contact lead.ContactID, address string) inbox.Row {
		return inbox.Row{LeadID: id, ContactID: contact, Email: address}
	}
	d := &draft{reread: []lead.ID{"held"}}
	d.Inbox = []inbox.Row{row("", "1", "a@example.com"), row("", "9", ""), row("", "2", "gone@example.com"),
		row("x", "9", ""), row("held", "9", "gone@example.com"), row("x", "3", "gone@example.com")}
	d.Strangers = []ledger.Link{{ContactID: "1", Address: "a@example.com"}, {ContactID: "9"}, {ContactID: "4", Address: "gone@example.com"}}
	if err := r.silence(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if want := []inbox.Row{row("", "1", "a@example.com"), row("held", "9", "gone@example.com"), row("x", "3", "gone@example.com")}; !slices.Equal(d.Inbox, want) {
		t.Errorf("told %+v", d.Inbox)
	}
	if len(d.Strangers) != 1 || d.Strangers[0].ContactID != "1" {
		t.Errorf("strangers %+v", d.Strangers)
	}
	seen := func(id lead.ContactID, address string) *view {
		return &view{View: &contact.View{ID: id, Email: address}}
	}
	d.unknown = []*view{seen("1", "a@example.com"), seen("9", ""), seen("5", "gone@example.com")}
	if err := r.passErased(t.Context(), d); err != nil || len(d.unknown) != 1 || d.unknown[0].ID != "1" {
		t.Errorf("%d unknown contacts go on (%v)", len(d.unknown), err)
	}
}

// A page that is counted before it is committed changes nothing of the parts that are kept.
func TestCountLeavesWhatIsKept(t *testing.T) {
	kept := Scan{After: "5", Total: 100, Parts: []Part{{To: "5", N: 1}}}
	next := kept
	next.After = "7"
	next.count(&hubspot.Page{Contacts: make([]hubspot.Contact, 2), Total: 100})
	if kept.Parts[0] != (Part{To: "5", N: 1}) || next.Parts[0] != (Part{To: "7", N: 3}) {
		t.Errorf("kept %+v, next %+v", kept.Parts, next.Parts)
	}
}

// The last whole reading of the opt-outs lies in the future since the clock was set back: it is made again, and not
// when that time comes.
func TestWholeReadingAfterAClockSetBack(t *testing.T) {
	for ahead, want := range map[time.Duration]bool{time.Hour: true, -time.Minute: false} {
		hub := &outs{ids: []int{1, 2, 3}}
		r := &run{p: New(Config{Now: func() time.Time { return noon }}, hub, nil, nil), stream: OptOut}
		r.pos = Position{WholeAt: noon.Add(ahead).UnixMilli(), Last: &Result{Pages: 100}}
		func() {
			defer func() { _ = recover() }() // there is no store to commit to
			_ = r.optOut(t.Context())
		}()
		if read := hub.requests > 0; read != want {
			t.Errorf("%s ahead: read %t, want %t", ahead, read, want)
		}
	}
}
