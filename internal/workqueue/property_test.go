package workqueue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"leadsync/internal/lead"
)

// walk is a model beside a queue: who has which lead and which address, and which leads must be due in the end.
type walk struct {
	t     *rapid.T
	q     *Queue
	hands map[lead.ID]string // the hand that has a lead
	owner map[string]lead.ID
	added map[lead.ID]bool // added, or refused by Claim for a time, and not claimed since
	asks  map[lead.ID]bool // preempted
	next  int              // number of the next reservation
	open  map[int]*reservation
}

type reservation struct {
	ids     []lead.ID
	cancel  context.CancelFunc
	ended   bool // Reserve has returned
	release func()
}

var (
	someLeads     = []lead.ID{"a", "b", "c", "d", "e"}
	someAddresses = []string{"1", "2", "3"}
)

func (w *walk) lead() lead.ID { return rapid.SampledFrom(someLeads).Draw(w.t, "lead") }

func (w *walk) leads() []lead.ID {
	return rapid.SliceOfN(rapid.SampledFrom(someLeads), 1, 4).Draw(w.t, "leads")
}

// took notes that a hand has a lead now.
func (w *walk) took(hand string, id lead.ID) {
	if other, there := w.hands[id]; there {
		w.t.Fatalf("%s took %s, which %s has", hand, id, other)
	}
	w.hands[id] = hand
}

func (w *walk) claim(*rapid.T) {
	ids, apart := w.leads(), rapid.Bool().Draw(w.t, "apart")
	got := w.q.Claim(ids, apart)
	for _, id := range got {
		w.took("claim", id)
		if delete(w.added, id); w.asks[id] || w.q.Reserved(id) {
			w.t.Fatalf("claimed %s, which somebody comes first for", id)
		}
		if wait := w.q.waits[id]; wait.Until.After(time.Now()) || wait.Apart && !apart {
			w.t.Fatalf("claimed %s, which waits", id)
		}
	}
	for _, id := range ids {
		if _, busy := w.hands[id]; !busy && !slices.Contains(got, id) && !w.asks[id] {
			w.added[id] = true // it waits or is reserved: nobody else remembers that it was to be read
		}
	}
}

func (w *walk) claimOne(*rapid.T) {
	if id := w.lead(); w.q.ClaimOne(id) {
		if w.took("one", id); w.q.Reserved(id) {
			w.t.Fatalf("claimed %s, which is reserved", id)
		}
	}
}

func (w *walk) takeOver(*rapid.T) {
	id := w.lead()
	if w.q.TakeOver(id) {
		if w.took("first", id); w.q.Reserved(id) {
			w.t.Fatalf("took %s over, which is reserved", id)
		}
		delete(w.asks, id)
	} else {
		w.asks[id] = true
	}
}

func (w *walk) done(*rapid.T) {
	var mine []lead.ID
	for _, id := range someLeads {
		if h := w.hands[id]; h == "claim" || h == "one" || h == "first" {
			mine = append(mine, id)
		}
	}
	if len(mine) > 0 {
		id := rapid.SampledFrom(mine).Draw(w.t, "done")
		delete(w.hands, id)
		w.q.Done(id)
	}
}

func (w *walk) add(*rapid.T) {
	id := w.lead()
	w.added[id] = true
	w.q.Add(id)
}

func (w *walk) delay(*rapid.T) {
	wait := Wait{Apart: rapid.Bool().Draw(w.t, "apart"), FailedAt: time.Now()}
	if d := rapid.IntRange(0, 3).Draw(w.t, "ms"); d > 0 {
		wait.Until = time.Now().Add(time.Duration(d) * time.Millisecond)
	}
	w.q.Delay(w.lead(), wait)
}

func (w *walk) preempt(*rapid.T) {
	id := w.lead()
	w.asks[id] = true
	w.q.Preempt(id)
}

func (w *walk) endPreempts(*rapid.T) {
	for id := range w.asks {
		w.added[id] = true
	}
	clear(w.asks)
	w.q.EndPreempts()
}

func (w *walk) claimAddresses(*rapid.T) {
	id, all := w.lead(), rapid.SliceOfN(rapid.SampledFrom(someAddresses), 1, 3).Draw(w.t, "addresses")
	taken := w.q.ClaimAddresses(id, all)
	for _, a := range all {
		owner, there := w.owner[a]
		switch {
		case slices.Contains(taken, a) != (there && owner != id):
			w.t.Fatalf("%s of %s, asked for by %s: taken %v", a, owner, id, taken)
		case len(taken) == 0:
			w.owner[a] = id
		}
	}
}

func (w *walk) releaseAddresses(*rapid.T) {
	id, a := w.lead(), rapid.SampledFrom(someAddresses).Draw(w.t, "address")
	if w.q.ReleaseAddresses(id, []string{a}); w.owner[a] == id {
		delete(w.owner, a)
	}
}

func (w *walk) reserve(*rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, n := &reservation{ids: w.leads(), cancel: cancel}, w.next
	w.open[n], w.next = r, n+1
	go func() {
		r.release, _ = w.q.Reserve(ctx, r.ids)
		r.ended = true
	}()
	w.settle(nil)
}

// settle lets the goroutines go on until all wait, and notes what they have now.
func (w *walk) settle(*rapid.T) {
	synctest.Wait()
	for n, r := range w.open {
		hand := fmt.Sprint("reservation ", n)
		switch {
		case r.ended && r.release == nil: // it gave up
			delete(w.open, n)
		case r.ended && w.hands[r.ids[0]] != hand:
			for _, id := range slices.Compact(slices.Sorted(slices.Values(r.ids))) {
				w.took(hand, id)
			}
		}
	}
}

// release ends a reservation, or has one that waits give up.
func (w *walk) release(*rapid.T) {
	if len(w.open) == 0 {
		return
	}
	w.end(rapid.SampledFrom(slices.Sorted(maps.Keys(w.open))).Draw(w.t, "reservation"))
}

func (w *walk) end(n int) {
	r := w.open[n]
	if r.release == nil {
		r.cancel()
		w.settle(nil)
		return
	}
	r.cancel()
	for _, id := range r.ids {
		delete(w.hands, id)
	}
	r.release()
	delete(w.open, n)
	w.settle(nil)
}

// finish ends all that is under way but the reservations that wait, which must come to their turn by that alone, and
// looks for what was added.
func (w *walk) finish() {
	for id, hand := range w.hands {
		if hand == "claim" || hand == "one" || hand == "first" {
			delete(w.hands, id)
			w.q.Done(id)
		}
	}
	w.settle(nil)
	for len(w.open) > 0 {
		before := len(w.open)
		for _, n := range slices.Sorted(maps.Keys(w.open)) {
			if r := w.open[n]; r != nil && r.release != nil {
				w.end(n)
			}
		}
		if len(w.open) == before {
			w.t.Fatalf("%d reservations wait for each other", before)
		}
	}
	w.endPreempts(nil)
	time.Sleep(10 * time.Millisecond)
	due := w.q.Due(100, 100)
	for _, id := range someLeads {
		if w.added[id] && !slices.Contains(due, id) {
			w.t.Fatalf("%s was added and is lost; due are %v", id, due)
		}
	}
	if w.q.AnyReserved() || w.q.AnyPreempted() || len(w.q.processing) > 0 {
		w.t.Fatalf("left behind: %+v", w.q)
	}
	if got := w.q.Claim(someLeads, true); len(got) != len(someLeads) {
		w.t.Fatalf("only %v are free in the end", got)
	}
}

// Whatever the loops do in whatever order: never two hands on one lead or address, nothing that was added is lost, and
// no reservations wait for each other.
func TestWalks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) {
			w := &walk{t: rt, q: New(time.Now, func() {}), hands: map[lead.ID]string{}, owner: map[string]lead.ID{}, added: map[lead.ID]bool{},
				asks: map[lead.ID]bool{}, open: map[int]*reservation{}}
			defer func() { // a walk that failed leaves nobody waiting
				for _, r := range w.open {
					r.cancel()
				}
				synctest.Wait()
			}()
			rt.Repeat(map[string]func(*rapid.T){
				"claim": w.claim, "claim one": w.claimOne, "take over": w.takeOver, "done": w.done, "add": w.add, "delay": w.delay,
				"preempt": w.preempt, "end preempts": w.endPreempts, "claim addresses": w.claimAddresses,
				"release addresses": w.releaseAddresses, "reserve": w.reserve, "release": w.release, "": w.settle,
				"time": func(*rapid.T) { time.Sleep(time.Millisecond) },
			})
			w.finish()
		})
	})
}
