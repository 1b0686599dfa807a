package push

import (
	"cmp"
	"context"
	"slices"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// A value that was left out is owed: it stays on the lead's link with the id of its event. When the definitions have
// changed, and once a day besides, the links that owe something are gone through. A lead of which a value fits now gets
// a second look: the contact is read, the value goes through the three-way with its winner like that of a pending row,
// and what stands is written.

// owing finds the leads that owe something, and has them looked at. One goroutine uses it.
type owing struct {
	w    *Worker
	pass owedPass
}

// owedPass is how far the links have been gone through.
type owedPass struct {
	table   *mapping.Table // that the pass is made by; nil = none yet
	at      time.Time      // when it began
	after   lead.ID
	under   bool
	refused map[string]int // by property: how often HubSpot refused one in this pass, less how often it took one
}

// mostRefused is how many owed values of a property HubSpot may refuse in a pass before the others wait for the next
// one.
const mostRefused = 4

// owedPage is how many links are read at once.
const owedPage = 500

// leaveOut takes what was left out of a row into the ledger. It is owed but for on_invalid_field: dead, where the row
// is dead as a whole and a person's.
func (k *work) leaveOut(t *mapping.Table, r *intent.Row, owe bool) {
	for _, l := range r.Omitted {
		if k.link.Overtaken(l.Property, r.Num()) {
			continue
		}
		k.link.Refuse(l.Property, l.Code)
		if _, known := t.Rule(l.Property); known != "" && owe && l.Property != mapping.OddName {
			left := ledger.Left{Kind: uint8(l.Raw.Kind), Text: l.Raw.Text, ID: r.Num(), At: r.SaidAt()}
			k.link.Owe(l.Property, leftCanon(t, l.Property, &left), left)
		}
	}
}

// leftCanon is the form in which a value that was left out is compared.
func leftCanon(t *mapping.Table, property string, left *ledger.Left) string {
	if v, fits := t.Fit(property, mapping.Raw{Kind: mapping.Kind(left.Kind), Text: left.Text}); fits {
		return v.Canon
	}
	return t.Canon(property, left.Text)
}

// withLeft puts a value that is owed among those of the pending rows: it is decided like them.
func withLeft(pending []ledger.Pending, t *mapping.Table, property string, f ledger.Field) []ledger.Pending {
	if f.Left == nil || slices.ContainsFunc(pending, func(p ledger.Pending) bool { return p.ID == f.Left.ID }) {
		return pending
	}
	pending = append(slices.Clone(pending), ledger.Pending{Canon: leftCanon(t, property, f.Left), ID: f.Left.ID})
	slices.SortFunc(pending, func(a, b ledger.Pending) int { return cmp.Compare(a.ID, b.ID) })
	return pending
}

// fitting are the values that the link owes and that may be sent by the definitions of now, by property.
func (o *owing) fitting(l *ledger.Link) map[string]intent.Change {
	var all map[string]intent.Change
	t := o.w.table()
	for p, f := range l.Fields {
		if f.Left == nil || o.pass.refused[p] >= mostRefused {
			continue
		}
		if v, fits := t.Fit(p, mapping.Raw{Kind: mapping.Kind(f.Left.Kind), Text: f.Left.Text}); fits {
			if all == nil {
				all = map[string]intent.Change{}
			}
			all[p] = intent.Change{Property: p, Send: v.Send, Canon: v.Canon, Set: f.Left.ID}
		}
	}
	return all
}

// find goes on with the pass over the links that owe something, or begins one.
func (o *owing) find(ctx context.Context) error {
	p, t, now := &o.pass, o.w.table(), o.w.now()
	if p.table == nil || !t.SameChecks(p.table) || now.Sub(p.at) >= account.DefinitionsLife {
		*p = owedPass{table: t, at: now, under: true, refused: map[string]int{}}
	}
	for p.under && ctx.Err() == nil {
		links, err := o.w.store.LinksOwing(ctx, o.w.hubID(), p.after, owedPage)
		if err != nil {
			return err
		}
		var ids []lead.ID
		for i := range links {
			if links[i].State == ledger.Linked && len(o.fitting(&links[i])) > 0 {
				ids = append(ids, links[i].LeadID)
			}
		}
		busy, err := o.lookSoon(ctx, ids)
		if err != nil || busy { // the page is read once more
			return err
		}
		if p.under = len(links) == owedPage; p.under {
			p.after = links[len(links)-1].LeadID
		}
	}
	return nil
}

// lookSoon has leads looked at that owe a value which fits. busy: some are in a job.
func (o *owing) lookSoon(ctx context.Context, ids []lead.ID) (busy bool, err error) {
	var free []lead.ID
	for _, id := range ids {
		if o.w.queue.ClaimOne(id) {
			free = append(free, id)
		} else {
			busy = true
		}
	}
	defer func() {
		for _, id := range free {
			o.w.queue.Done(id)
		}
	}()
	if len(free) == 0 {
		return busy, nil
	}
	fresh, err := o.w.store.Links(ctx, o.w.hubID(), free)
	if err != nil {
		return busy, err
	}
	var works []*work
	for id, l := range fresh {
		if l.State == ledger.Linked && l.SecondLookAt == 0 && len(o.fitting(l)) > 0 {
			l.SecondLookAt = outbox.Millis(o.w.now())
			works = append(works, &work{id: id, link: l, hint: &hint{}, unread: true, dirty: true})
		}
	}
	return busy, o.w.settle(ctx, works)
}

// pay adds what the lead owes to what is written after a second look, where no row of now has a word of its own.
func (o *owing) pay(k *work) {
	for p, c := range o.fitting(k.link) {
		_, mends := k.plan.diff.Changes[p]
		switch f := k.link.Field(p); {
		case mends, k.more, len(k.withArrived(intent.PendingValues(k.rows, p), p)) > 0:
		case f.Seen == c.Canon:
			k.link.Took(p)
		default:
			k.plan.diff.Changes[p] = c
			k.paying = append(k.paying, p)
		}
	}
}

// paid takes what a write after a second look said of values that were owed: those that HubSpot refuses are owed
// further. again: the rest of what was to be written is to be sent without them.
func (o *owing) paid(k *work) (again bool) {
	switch a := k.answer; {
	case a.kind == accepted:
		for _, p := range k.paying {
			k.overwrites(p, k.plan.diff.Changes[p].Canon)
			o.pass.refused[p]--
		}
	case a.kind == refused, a.kind == heldBack, a.kind == conflict && k.plan.diff.Address == nil:
		codes := map[string]string{}
		for _, d := range a.refusal.Details {
			for _, p := range d.Properties {
				codes[p] = cmp.Or(d.Code, a.refusal.Key().Code)
			}
		}
		k.paying = slices.DeleteFunc(k.paying, func(p string) bool {
			if len(codes) > 0 && codes[p] == "" {
				return false
			}
			delete(k.plan.diff.Changes, p)
			k.link.Refuse(p, cmp.Or(codes[p], k.link.Field(p).Refused))
			o.pass.refused[p]++
			again = true
			return true
		})
	}
	return again && !k.plan.diff.Empty()
}
