package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// What a preview says of a dead row is what becomes of it when it is put back.
func TestPreviewTellsWhatARetryDoes(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		r.start()
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","city":"Paris"}`)
		r.settled(10 * time.Second)
		r.stop()
		dead := []int64{
			r.event("1", "lead.updated", "", `{"firstname":"Old"}`),
			r.event("1", "lead.updated", "", `{"firstname":"Old","company":"Engines"}`),
			r.event("1", "lead.updated", "", `{"city":"Paris"}`),
			r.event("2", "lead.registered", "no address", ``),
			r.event("3", "lead.updated", "", `{"city":"Rome"}`),
			r.event("4", "lead.registered", "eve@example.com", `{"city":"Oslo"}`),
			r.event("5", "lead.registered", "joe@example.com", `{"city":["a"]}`),
		}
		_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'dead', reason = 'refused', settled_at = 1 WHERE id >= ?`, dead[0])
		must(t, err)
		later := r.event("1", "lead.updated", "", `{"firstname":"Augusta"}`)
		r.start()
		r.settled(10 * time.Second)
		r.want(later, "delivered")
		said := make([]intent.Preview, len(dead))
		r.operate(func(db *store.DB) {
			for i, id := range dead {
				rows, err := db.Operator().Entries(context.Background(), []outbox.EntryID{outbox.EntryID(id)})
				must(t, err)
				portal, err := db.View("default").Row(context.Background())
				must(t, err)
				links, err := db.View("default").Links(context.Background(), portal.HubID, []lead.ID{rows[0].Lead()})
				must(t, err)
				said[i] = intent.PreviewRow(rows[0], nil, links[rows[0].Lead()], table(r.config().Mapping), false)
			}
		})
		for i, id := range dead {
			r.requeue(id)
			time.Sleep(5 * time.Second)
			o, got := r.outcome(id), ""
			switch {
			case o.word() == "delivered" && strings.HasPrefix(said[i].Outcome, "create"):
				got = "create or link a contact"
			case o.word() == "delivered":
				got = "update contact " + o.Contact
			case o.State == "pending":
				got = o.Note
			default:
				got = o.word()
			}
			if got != said[i].Outcome {
				t.Errorf("row %d became %q, the preview said %q", id, got, said[i].Outcome)
			}
		}
		if s := said[1]; fmt.Sprint(s.Send) != "[company]" || s.OvertakenWords() != fmt.Sprintf("firstname by %d", later) {
			t.Errorf("%+v", s)
		}
		r.wantContact("ada@example.com", map[string]string{"firstname": "Augusta", "company": "Engines", "city": "Paris"})
	})
}
