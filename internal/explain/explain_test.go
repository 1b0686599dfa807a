package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// Every reason has its rule.
func TestEveryReasonHasARule(t *testing.T) {
	for _, reason := range outbox.Reasons {
		word := string(reason)
		if got := rule(&outbox.Entry{State: outbox.Dead, Reason: &word}); strings.Contains(got, "no word of this version") {
			t.Errorf("%s has no rule", reason)
		}
	}
	if len(rules) != len(outbox.Reasons) {
		t.Errorf("%d rules for %d reasons", len(rules), len(outbox.Reasons))
	}
}

// tables is a database of one portal in memory.
type tables struct {
	rows  []outbox.Entry
	links []ledger.Link
	known settlement.Known
	owner store.OwnerInfo
	row   store.PortalRow
}

func (d *tables) Portals(context.Context) ([]store.PortalRow, error) {
	return []store.PortalRow{d.row}, nil
}
func (d *tables) Counts(context.Context) ([]store.CountRow, error)        { return nil, nil }
func (d *tables) Strays(context.Context) ([]store.StrayRow, error)        { return nil, nil }
func (d *tables) Owed(context.Context, string, int64) (store.Owed, error) { return store.Owed{}, nil }
func (d *tables) Pauses(context.Context) ([]store.Pause, error)           { return nil, nil }
func (d *tables) Owner(context.Context, string) (store.OwnerInfo, error)  { return d.owner, nil }

// view is what they hold of one portal.
type view struct {
	*tables
	portal string
}

func (d view) Row(context.Context) (store.PortalRow, error) { return d.row, nil }
func (d view) RequestsOf(context.Context, string, int) ([]store.RequestRow, error) {
	return []store.RequestRow{{Op: "batch_update", StartedAt: 2}, {Op: "batch_create", StartedAt: 1}}, nil
}

func (d view) KnownContacts(_ context.Context, hub int64, id lead.ID, _ []outbox.EntryID) (settlement.Known, error) {
	if hub != d.row.HubID || id != "42" {
		return settlement.Known{}, nil
	}
	return d.known, nil
}

func (d *tables) Entries(_ context.Context, ids []outbox.EntryID) (out []outbox.Entry, _ error) {
	for _, r := range d.rows {
		if r.ID == ids[0] {
			out = append(out, r)
		}
	}
	return out, nil
}

func (d view) RowsOf(_ context.Context, id lead.ID, limit int) (out []outbox.Entry, _ error) {
	for i := len(d.rows) - 1; i >= 0 && len(out) < limit; i-- {
		if r := d.rows[i]; r.Lead() == id && r.Portal == d.portal {
			out = append(out, r)
		}
	}
	return out, nil
}

func (d view) EarlierEvents(context.Context, []outbox.Entry) (map[outbox.EntryID]bool, error) {
	return nil, nil
}

func (d *tables) find(is func(ledger.Link) bool) (out []ledger.Link) {
	for _, l := range d.links {
		if is(l) {
			out = append(out, l)
		}
	}
	return out
}

func (d view) Links(_ context.Context, hub int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	m := map[lead.ID]*ledger.Link{}
	for _, l := range d.find(func(l ledger.Link) bool { return l.Portal == d.portal && l.HubID == hub && l.LeadID == leads[0] }) {
		m[l.LeadID] = &l
	}
	return m, nil
}

func (d *tables) LinksByAddress(_ context.Context, hub int64, addresses []string) ([]ledger.Link, error) {
	return d.find(func(l ledger.Link) bool { return l.HubID == hub && l.Address == addresses[0] }), nil
}

func (d *tables) LinksByContact(_ context.Context, hub int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return d.find(func(l ledger.Link) bool { return l.HubID == hub && l.ContactID == contacts[0] }), nil
}

func entry(id outbox.EntryID, leadID, properties string, state outbox.State) outbox.Entry {
	typ := string(outbox.Updated)
	return outbox.Entry{ID: id, Portal: "default", LeadID: &leadID, Type: &typ, Properties: &properties, State: state, Lane: outbox.Live}
}

func scene() *tables {
	return &tables{row: store.PortalRow{Portal: "default", HubID: 7},
		rows: []outbox.Entry{entry(1, "42", `{"plan":"pro"}`, outbox.Delivered), entry(2, "42", `{"plan":"basic"}`, outbox.Pending), entry(3, "901", `{}`, outbox.Pending)},
		links: []ledger.Link{{Portal: "default", HubID: 7, LeadID: "x", State: ledger.Passive, ContactID: "555", Address: "ada@example.com"},
			{Portal: "west", HubID: 7, LeadID: "y", State: ledger.Linked, ContactID: "556", Address: "ada@example.com"},
			{Portal: "default", HubID: 7, LeadID: "42", State: ledger.Linked, ContactID: "555", Address: "ada@example.com", Fields: map[string]ledger.Field{
				"plan": {Sent: "pro", Seen: "pro", Shown: true, Set: 1}, "city": {Sent: "Paris", Seen: "paris", Shown: true, Set: 1}, "age": {Sent: "7", Seen: "7", Set: 1}}}}}
}

func tell(t *testing.T, d *tables, subject string) (*Story, error) {
	t.Helper()
	return Tell(t.Context(), Database{d, func(portal string) View { return view{d, portal} }}, Query{Subject: subject, Portal: "default", Now: time.UnixMilli(1795334400000), Table: mapping.New(nil, ""),
		Hash: func(s string) string { return "hash of " + s }})
}

func TestALeadIsFoundByEachOfItsNames(t *testing.T) {
	for subject, want := range map[string]string{"42": "42", " Ada@Example.com ": "42", "555": "42", "outbox:2": "42", "x": "x", "901": "901", "556": "", "nobody": "", "eve@example.com": ""} {
		s, err := tell(t, scene(), subject)
		switch {
		case want == "" && !errors.Is(err, ErrUnknown):
			t.Errorf("%q: %v", subject, err)
		case want != "" && (err != nil || s.LeadID != want || s.LeadHash != "hash of "+want):
			t.Errorf("%q is %+v, %v", subject, s, err)
		}
	}
	for _, subject := range []string{"outbox:99", "outbox:", "outbox:-1"} {
		if s, err := tell(t, scene(), subject); err == nil {
			t.Errorf("%q is %+v", subject, s)
		}
	}
	if s, err := tell(t, scene(), "ada@example.com"); err != nil || fmt.Sprint(s.Others) != "[x]" {
		t.Errorf("others %v, %v", s.Others, err)
	}
}

func TestLiveBesideTheLedger(t *testing.T) {
	s, err := tell(t, scene(), "42")
	if err != nil {
		t.Fatal(err)
	}
	s.Beside("555", map[string]string{"plan": "gold", "city": "paris"}, func(_, v string) string { return v }, time.UnixMilli(5), time.UnixMilli(9), nil)
	want := map[string]string{"plan": "changed in HubSpot since; push, app wins", "city": "in step", "age": "sent, not shown by HubSpot yet"}
	for _, f := range s.Fields {
		if f.Verdict != want[f.Property] {
			t.Errorf("%s: %q, want %q", f.Property, f.Verdict, want[f.Property])
		}
	}
	if !s.Live.Found || s.Live.Updated != 5 || s.Requests[0].Op != "batch_create" {
		t.Errorf("%+v %+v", s.Live, s.Requests)
	}
}

// The evidence is a fact of its own: by the link, by what was there before, and by what HubSpot shows of the contact.
func TestEvidenceIsTold(t *testing.T) {
	type shown map[string]string
	found := func(id lead.ContactID) settlement.Known {
		return settlement.Known{Found: map[lead.ContactID]bool{id: true}}
	}
	had := func(id lead.ContactID, address string) settlement.Known {
		return settlement.Known{Had: map[lead.ContactID][]string{id: {address}}}
	}
	none := settlement.Known{}
	for name, c := range map[string]struct {
		state ledger.State
		known settlement.Known
		as    lead.ContactID // HubSpot was asked, and answered with this contact
		live  shown
		want  string
	}{
		"made":                    {ledger.Linked, none, "", nil, `"link" false []`},
		"found":                   {ledger.Linked, found("555"), "", nil, `"link" true []`},
		"another was found":       {ledger.Linked, found("1"), "", nil, `"link" false []`},
		"archived":                {ledger.Gone, none, "", nil, `"link" false []`},
		"merged into another's":   {ledger.Passive, none, "", nil, `"merge" false []`},
		"purged":                  {ledger.Purged, none, "", nil, `"" false []`},
		"had another":             {ledger.Linked, had("9", ""), "", nil, `"link" false [9]`},
		"had it before too":       {ledger.Linked, had("555", ""), "", nil, `"link" false []`},
		"merged since":            {ledger.Linked, none, "600", shown{"hs_merged_object_ids": "1;555"}, `"merge" false []`},
		"asked by its old id":     {ledger.Linked, none, "600", shown{}, `"merge" false []`},
		"id property":             {ledger.Purged, none, "555", shown{"lead_key": "42"}, `"id property" false []`},
		"another's id property":   {ledger.Purged, none, "555", shown{"lead_key": "4"}, `"" false []`},
		"delivered, same address": {ledger.Purged, had("555", "ada@example.com"), "555", shown{"hs_additional_emails": "x@example.com;Ada@example.com"}, `"delivery" false []`},
		"delivered, no address":   {ledger.Purged, had("555", "old@example.com"), "555", shown{"email": "ada@example.com"}, `"" false []`},
	} {
		d := scene()
		d.known, d.links[2].State = c.known, c.state
		s, err := tell(t, d, "42")
		if err != nil {
			t.Fatal(err)
		}
		s.table = mapping.New(nil, "lead_key")
		if c.as != "" {
			s.Beside(c.as, c.live, func(_, v string) string { return v }, time.UnixMilli(5), time.UnixMilli(9), nil)
		}
		if got := fmt.Sprintf("%q %t %v", s.Contact.Evidence, s.Contact.Found, s.Contact.Had); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestNext(t *testing.T) {
	d := scene()
	s, err := tell(t, d, "42")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Next, "|"); got != "event 2 is sent with the next request of its lane: update contact 555 (sends plan)|nothing is sent: no daemon serves portal default; leadsync status says more" {
		t.Errorf("next %q", got)
	}
	note := "erased in HubSpot: 1 contacts; waits until the unsubscribe of the lead is carried out"
	d.rows[1].Note = &note
	if s, err = tell(t, d, "42"); err != nil || s.Next[0] != "event 2 goes on as soon as nothing holds it up: "+note {
		t.Errorf("next %q, %v", s.Next, err)
	}
	text, _ := status.Snapshot{State: breaker.NeedsLogin, Cause: "unauthorized"}.Marshal()
	d.row.Status, d.row.StatusAt, d.owner = string(text), 1795334399000, store.OwnerInfo{Alive: true, Owner: "host-1", Since: 1}
	if s, err = tell(t, d, "42"); err != nil || !strings.HasSuffix(strings.Join(s.Next, "|"), "|nothing is sent while the lane is needs_login: unauthorized; leadsync status names the cure") {
		t.Errorf("next %q, %v", s.Next, err)
	}
	d.rows = d.rows[:1]
	if s, err = tell(t, d, "42"); err != nil || fmt.Sprint(s.Next) != "[nothing: every event is settled]" {
		t.Errorf("next %q, %v", s.Next, err)
	}
}
