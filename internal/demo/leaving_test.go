package demo

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The account counts who went, and only the backlog that really waited behind the unsubscribe.
func TestAddLeaving(t *testing.T) {
	at := time.UnixMilli(1000)
	row := func(id int64, lead, kind, lane string) inserted {
		return inserted{event: event{leadID: lead, kind: kind, lane: lane}, id: id, committedAt: at}
	}
	journal := []inserted{row(1, "a", updated, "backfill"), row(2, "b", updated, "backfill"), row(3, "c", updated, ""), row(4, ownLead(quietLead), unsubscribed, ""),
		row(5, "d", updated, "backfill"), row(6, "e", unsubscribed, ""), row(7, "f", deleted, ""), row(8, "g", deleted, ""), row(9, "h", erased, "")}
	endings := map[int64]ending{}
	for id, settled := range map[int64]int64{1: 1050, 2: 1200, 3: 1300, 4: 1100, 5: 1400, 6: 1500, 7: 1600, 9: 1800} {
		endings[id] = ending{state: "delivered", settledAt: settled}
	}
	endings[8] = ending{state: "skipped", reason: "no_contact", settledAt: 1700}
	var a Account
	if addLeaving(&a, journal, endings); a.UnsubscribeMs != 100 || a.Overtook != 1 || a.Deleted != 1 || a.Erased != 1 {
		t.Errorf("%d ms, overtook %d, %d deleted, %d erased, want 100, 1, 1 and 1", a.UnsubscribeMs, a.Overtook, a.Deleted, a.Erased)
	}
	if addLeaving(&a, journal[:3], endings); a.UnsubscribeMs != -1 {
		t.Errorf("no unsubscribe took %d ms", a.UnsubscribeMs)
	}
}

// Whoever holds the address, in whatever case, is named.
func TestRemembered(t *testing.T) {
	s := &story{folder: &folder{dir: t.TempDir()}}
	for name, text := range map[string]string{"leadsync.db": "...Ada@Example.com...", "daemon.log": "bob@example.com", "leadsync.db-wal": "ada@example.com"} {
		if err := os.WriteFile(s.folder.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := s.remembered("ada@example.com")
	if slices.Sort(names); err != nil || strings.Join(names, " ") != "leadsync.db leadsync.db-wal" {
		t.Errorf("%q, %v", names, err)
	}
}

// The account finds somebody who is out and can be mailed, one who is deleted and there, and one who is erased and
// there.
func TestAccountFindsWhoDidNotGo(t *testing.T) {
	s := newStory(t)
	var ids []string
	for i, name := range []string{quietLead, leavingLead, forgottenLead} {
		e := s.newcomer(name, i)
		id, err := s.hub.sim.Create(map[string]string{"email": *e.email})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		e.properties = "{}"
		goes := event{leadID: e.leadID, kind: []string{unsubscribed, deleted, erased}[i], properties: "{}"}
		if err := s.app.commit(t.Context(), []event{e, goes}, true); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(t, `UPDATE lead_outbox SET state = 'delivered', settled_at = 1`)
	for i, id := range ids[:2] {
		s.exec(t, `UPDATE lead_outbox SET contact_id = '`+id+`' WHERE lead_id = '`+ownLead([]string{quietLead, leavingLead}[i])+`'`)
	}
	result, err := s.account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lead " + ownLead(quietLead) + ": contact " + ids[0] + ": hs_email_optout: the person is out",
		"lead " + ownLead(leavingLead) + ": contact " + ids[1] + ": a contact under an address", "lead " + ownLead(forgottenLead) + ": contact " + ids[2] + ": a contact under an address"} {
		if !slices.ContainsFunc(result.Broken, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("not found: %s; broken %q", want, result.Broken)
		}
	}
}
