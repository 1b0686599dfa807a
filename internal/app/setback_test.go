package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// clockWasAhead moves every kept wait of rows and links, as if each had been written under a clock that was ahead by
// then.
func (r *rig) clockWasAhead(by time.Duration) {
	r.t.Helper()
	ms := by.Milliseconds()
	_, err := r.db.Exec(`UPDATE lead_outbox SET not_before = not_before + ? WHERE state = 'pending' AND not_before < ?`, ms, outbox.Parked)
	must(r.t, err)
	_, err = r.db.Exec(`UPDATE leadsync_links SET second_look_at = second_look_at + ?, opt_out_due = opt_out_due + ?`, ms, ms)
	must(r.t, err)
	for _, id := range []string{"row", "look", "out", "doubt"} {
		var text string
		if r.db.QueryRow(`SELECT opt_out FROM leadsync_links WHERE lead_id = ? AND opt_out <> ''`, id).Scan(&text) != nil {
			continue
		}
		var o ledger.OptOut
		must(r.t, json.Unmarshal([]byte(text), &o))
		if o.NotBefore > 0 {
			o.NotBefore += ms
		}
		for a := range o.Doubts {
			o.Doubts[a] += ms
		}
		_, err = r.db.Exec(`UPDATE leadsync_links SET opt_out = ? WHERE lead_id = ?`, toJSON(o), id)
		must(r.t, err)
	}
}

// The clock is set back while rows wait for their next attempt, contacts for a second look, opt-outs for their next try
// and a doubt for its end: each goes on in a minute or two, while the daemon runs and over a restart, and it is said
// once. What is parked stays so.
func TestClockSetBackHoldsNobody(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Hour, 10 * year} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(by, restart), func(t *testing.T) {
				inBubble(t, hubspotsim.Config{Seed: 907}, "", func(r *rig) { setBack(t, r, by, restart) })
			})
		}
	}
}

func setBack(t *testing.T, r *rig, by time.Duration, restart bool) {
	var said logText
	r.log = slog.New(slog.NewTextHandler(&said, nil))
	for _, id := range []string{"row", "look", "out", "doubt"} {
		r.event(id, "lead.registered", id+"@example.com", `{"city":"Old"}`)
	}
	r.start()
	r.settled(time.Minute)
	must(t, r.sim.SetFaults("batch_update=lostx1,batch_read=500x1")) // an update whose outcome is not known
	r.event("look", "lead.updated", "", `{"city":"New"}`)
	r.settled(time.Minute)
	parked := r.event("nobody", "lead.updated", "", `{"city":"New"}`)
	time.Sleep(5 * time.Second)
	if restart {
		r.stop()
	}
	soon := time.Now().Add(time.Minute).UnixMilli()
	row := r.event("row", "lead.updated", "", `{"city":"New"}`)
	_, err := r.db.Exec(`UPDATE lead_outbox SET attempts = 3, not_before = ?, note = 'refused' WHERE id = ?`, soon, row)
	must(t, err)
	optOut := func(id string, o ledger.OptOut) {
		_, err := r.db.Exec(`UPDATE leadsync_links SET consent = 'out', consent_id = 99, opt_out = ?, opt_out_due = ? WHERE lead_id = ?`, toJSON(o), soon, id)
		must(t, err)
	}
	optOut("out", ledger.OptOut{At: 1, NotBefore: soon})
	optOut("doubt", ledger.OptOut{At: 1, Evidenced: []string{"doubt@example.com"}, Doubts: map[string]int64{"doubt@example.com": soon}})
	var looks int
	must(t, r.db.QueryRow(`SELECT count(*) FROM leadsync_links WHERE second_look_at IS NOT NULL`).Scan(&looks))
	if looks != 1 {
		t.Fatalf("%d contacts are to be looked at again", looks)
	}
	r.clockWasAhead(by)
	if restart {
		r.start()
	}
	time.Sleep(4 * time.Minute) // a minute until it is seen, two until a second look
	r.want(row, "delivered")
	r.wantContact("row@example.com", map[string]string{"city": "New"})
	r.out("out@example.com")
	r.out("doubt@example.com")
	must(t, r.db.QueryRow(`SELECT count(*) FROM leadsync_links WHERE second_look_at IS NOT NULL OR opt_out_due IS NOT NULL`).Scan(&looks))
	if looks != 0 {
		t.Errorf("%d links still wait", looks)
	}
	if o := r.want(parked, "pending"); o.NotBefore != outbox.Parked {
		t.Errorf("the parked row waits until %d", o.NotBefore)
	}
	time.Sleep(time.Hour)
	if n := strings.Count(said.String(), "waits cut short"); n < 1 || n > 2 { // rows may be told before links
		t.Errorf("it was said %d times", n)
	}
}
