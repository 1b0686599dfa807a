package push

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// job is up to 100 leads that go through reading, writing and settling together. Its leads and their addresses are in
// no other job meanwhile.
type job struct {
	works   []*work
	live    bool
	suspect bool // its leads failed before
	// what and own say whose the trouble is that it ended with.
	what breaker.Failure
	own  bool
}

// askedNothing reports a job whose leads all wait for the subscription types: nothing was answered, and trouble there
// is goes on.
func (j *job) askedNothing() bool {
	return len(j.works) > 0 && !slices.ContainsFunc(j.works, func(k *work) bool { return !k.forTypes })
}

// maxRounds bounds how often a job plans anew: a lookup, a write, a stripped value and a conflict are four.
const maxRounds = 8

// runJob brings each lead of a job to its end or leaves it pending with a hint. It returns the error that stopped it,
// if any.
func (w *Worker) runJob(ctx context.Context, j *job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = w.panicked(ctx, j, p)
		}
	}()
	if err = w.withTrouble(w.runRounds(ctx, j)); err != nil {
		var settled error
		if j.what, j.own, settled = w.blame(ctx, j, err); settled != nil {
			err, j.own = errors.Join(settled, err), false
		}
	}
	return err
}

// runRounds asks until each lead of the job is done.
func (w *Worker) runRounds(ctx context.Context, j *job) error {
	priority := hubspot.PriorityBackfill
	if j.live {
		priority = hubspot.PriorityLive
	}
	ctx = hubspot.WithGate(hubspot.WithPriority(ctx, priority), w.mayWrite)
	if j.works[0].plan.op == opErase {
		return w.eraseAll(ctx, j.works)
	}
	open := j.works
	for round := 0; len(open) > 0; round++ {
		if round == maxRounds {
			for _, k := range open {
				w.putOff(k, slices.DeleteFunc(slices.Clone(k.rows), func(r *intent.Row) bool { return !k.waits(r) }))
				k.hint.until = w.now().Add(w.cfg.Retry.Delay(1))
			}
			return w.settle(ctx, open)
		}
		open = w.letGo(j, open)
		if err := w.look(ctx, open); err != nil {
			return err
		}
		if err := w.optOutFirst(ctx, open); err != nil {
			return err
		}
		open = w.letGo(j, open)
		writes := map[op][]*work{}
		for _, k := range open {
			if k.done || w.endSpent(k) {
				continue
			}
			if k.plan.op != opSettle && k.unseen && k.wasRead() {
				w.attemptFailed(k, outbox.GaveUp, "HubSpot answered without naming the row, and does not show its values")
				continue
			}
			if k.plan.op != opSettle {
				writes[k.plan.op] = append(writes[k.plan.op], k)
			}
		}
		var failed error
		for _, kind := range []op{opCreate, opUpdate, opUpsert} {
			if len(writes[kind]) == 0 {
				continue
			}
			if failed = w.write(ctx, kind, writes[kind]); failed != nil {
				break
			}
		}
		if failed == nil {
			failed = w.archive(ctx, writes[opArchive])
		}
		if err := w.recycled(ctx, open); err != nil {
			failed = errors.Join(failed, err)
			forget(open, missingContact)
		}
		held := w.judge(open)
		failed = errors.Join(failed, w.hear(ctx, open, held))
		if err := errors.Join(failed, w.settle(ctx, open)); err != nil {
			return err
		}
		open = stillOpen(open)
		for _, k := range open {
			w.facts().decide(k)
		}
	}
	return nil
}

// forget treats answers of a kind as not given.
func forget(works []*work, kind answerKind) {
	for _, k := range works {
		if k.answer.kind == kind {
			k.answer = answer{}
		}
	}
}

func (k *work) wasRead() bool { return k.read || k.looked }

// look reads what the plans ask for and plans those leads anew.
func (w *Worker) look(ctx context.Context, works []*work) error {
	for range 2 { // a lookup that finds a contact may ask for nothing more, but a merge found while reading may
		var ask, byID, byAddress []*work
		for _, k := range works {
			if !k.done && (k.plan.op == opRead || k.plan.op == opLookup) {
				ask = append(ask, k)
			}
		}
		ask, err := w.knowForms(ctx, ask)
		if err != nil {
			failedAll(ask, err)
			return err
		}
		for _, k := range ask {
			if k.plan.op == opRead {
				byID = append(byID, k)
			} else {
				byAddress = append(byAddress, k)
			}
		}
		if len(byID) > 0 {
			if err := w.readLinked(ctx, byID); err != nil {
				failedAll(byID, err)
				return err
			}
		}
		if len(byAddress) > 0 {
			if err := w.lookup(ctx, byAddress); err != nil {
				failedAll(byAddress, err)
				return err
			}
			w.learnExisting(byAddress)
		}
		for _, k := range append(byID, byAddress...) {
			w.facts().decide(k)
		}
		if len(byID)+len(byAddress) == 0 {
			return nil
		}
	}
	for _, k := range works { // still wants reading: next round
		if !k.done && (k.plan.op == opRead || k.plan.op == opLookup) {
			k.plan.op = opSettle
			k.again = true
		}
	}
	return nil
}

// block keeps an address from being written in this job: an earlier one of the lead, or none, is written instead.
func (k *work) block(address string, why blockage) {
	if k.blocked == nil {
		k.blocked = blockages{}
	}
	k.blocked[address] = why
}

// taken is the blockage of an address that a contact has; neither its id nor a request that said so may be known.
func taken(holder lead.ContactID, correlationID string) blockage {
	return blockage{reason: outbox.AddressTaken, note: heldBy(holder), correlationID: correlationID}
}

// stillOpen are the works that need another round.
func stillOpen(works []*work) []*work {
	var open []*work
	for _, k := range works {
		if !k.done {
			open = append(open, k)
		}
	}
	return open
}

// panicked puts a job's leads off after a panic, in smaller batches each time; a lead that panics alone is dead.
func (w *Worker) panicked(ctx context.Context, j *job, p any) error {
	w.cfg.Log.Error(msgPanic, "panic", fmt.Sprintf("%T", p), "leads", len(j.works), "stack", string(debug.Stack()))
	if len(j.works) > 1 {
		for _, k := range j.works {
			k.hint.unknown, k.hint.size = true, max(1, len(j.works)/2)
		}
		return nil
	}
	k := j.works[0]
	var s Settlement
	for _, r := range k.rows {
		s.Outcomes = append(s.Outcomes, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.Panic, Attempts: r.Attempts})
	}
	_, err := w.store.Settle(context.WithoutCancel(ctx), s)
	return err
}

// attemptFailed counts one attempt of every due row of the fold and puts the lead off, or ends what has had its last.
func (w *Worker) attemptFailed(k *work, last outbox.Reason, note string) {
	for _, r := range k.plan.all.Rows {
		o := w.retryLater(r, k, last, note)
		if k.more { // rows that were not read have no not_before
			k.hint.rest(w.now(), o.NotBefore)
		}
		k.ended = append(k.ended, o)
	}
	k.done = true
}

// retryLater is the outcome of a row whose attempt failed for a reason of its own. A row that was taken along before
// its time (another row of the lead was due) does not lose an attempt.
func (w *Worker) retryLater(r *intent.Row, k *work, last outbox.Reason, note string) outbox.Outcome {
	now := outbox.Millis(w.now())
	o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: note, ContactID: k.link.ContactID,
		CorrelationID: k.answer.refusal.CorrelationID}
	if r.NotBefore != nil && *r.NotBefore > now && *r.NotBefore != outbox.Parked {
		o.NotBefore = *r.NotBefore
		return o
	}
	o.Attempts++
	if o.Attempts >= w.cfg.MaxAttempts {
		o.State, o.Reason, o.NotBefore = outbox.Dead, last, 0
		return o
	}
	o.NotBefore = now + w.wait(k, o.Attempts).Milliseconds()
	return o
}

// wait is how long rows with that many attempts wait. It is the same for all rows of a work: with a jitter of its own
// each of them would bring the lead back at another moment, and cost a request of its own.
func (w *Worker) wait(k *work, attempts int) time.Duration {
	if k.waiting == nil {
		k.waiting = map[int]time.Duration{}
	}
	if _, known := k.waiting[attempts]; !known {
		k.waiting[attempts] = w.cfg.Retry.Delay(attempts)
	}
	return k.waiting[attempts]
}
