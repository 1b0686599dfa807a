package push

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// Whose fault is it? A request that fails without an answer about its rows says nothing of whether HubSpot is away or
// one of its rows makes HubSpot fail. So nobody else waits for it: its leads are suspects, and
//
//   - a suspect is asked again apart from other leads, in ever smaller batches, and each time later; the breaker stays open for suspects;
//   - leads that have not failed go on at once, one request at a time, in batches that shrink as long as they fail too. The first one that
//     succeeds closes the breaker, and from then on what fails is the suspects' own; when different ones fail it is an outage, and all wait.
//
// What holds for whoever is asked for next (a limit, the token, the database, the lease) opens the breaker for all at
// once.

const (
	// suspectWait is the longest that a suspect waits by itself; an outage makes it wait with all others.
	suspectWait = 10 * time.Second
	// manyFails is after how many failures in a row a suspect waits for up to manyFailsWait: what no attempt ends costs
	// little.
	manyFails     = 10
	manyFailsWait = time.Minute
	// suspectSlots are how many jobs may hold suspects while others go on.
	suspectSlots = 4
)

// failed notes that a request which held the lead together with others, n in all, ended with err and without a word
// about the lead.
func (k *work) failed(err error, n int) {
	if k.met == nil || n < k.metWith {
		k.met, k.metWith = err, n
	}
}

// failedAll notes it of each of the works, unless one of them is known to be the cause.
func failedAll(works []*work, err error) {
	if slices.ContainsFunc(works, func(k *work) bool { return k.met != nil }) {
		return
	}
	for _, k := range works {
		k.failed(err, len(works))
	}
}

// blame finds whose the trouble of a job is, and settles what was decided about leads of their own. what says how it
// counts for the lane; own: for nothing, the leads' own attempts were counted or nothing was sent.
func (w *Worker) blame(ctx context.Context, j *job, err error) (what breaker.Failure, own bool, settled error) {
	if breaker.ForAll(err) {
		return breaker.Failure{}, false, nil
	}
	var suspects []*work
	for _, k := range j.works {
		if k.met != nil && len(k.ended) == 0 && !k.unsettled {
			suspects = append(suspects, k)
		}
	}
	if len(suspects) == 0 { // the step does not say whose request it was
		for _, k := range j.works {
			if !k.done || k.unsettled || k.answer.kind == unasked && k.revisit {
				k.failed(err, len(j.works))
				suspects = append(suspects, k)
			}
		}
	}
	own = len(suspects) > 0
	for _, k := range suspects {
		what.Fresh = what.Fresh || !k.hint.suspect
		what.Leads = max(what.Leads, k.metWith)
		own = w.suspect(k) && own
	}
	what.Leads = max(what.Leads, 1)
	// What a settlement without an answer may have written is not written again, least of all what it told: it is read
	// anew.
	suspects = slices.DeleteFunc(suspects, func(k *work) bool { return k.unsettled })
	return what, own, w.settle(ctx, suspects)
}

// suspect takes one failure of a lead without an answer, and reports whether it is the lead's own. It is when the lead
// was asked for alone and others succeeded since it failed before: any write beside a write with an unknown outcome,
// the same operation beside all else. It is, too, when nothing was sent.
func (w *Worker) suspect(k *work) (own bool) {
	h, now, n, err := k.hint, w.now(), k.metWith, k.met
	class := hubspot.Classify(err)
	since := h.failedAt
	h.suspect, h.failedAt, h.fails = true, now, h.fails+1
	k.met, k.metWith = nil, 0
	op := hubspot.OpOf(err) // an operation that fails for all is an outage, whatever else goes on
	if hubspot.OutcomeUnknown(err) {
		op = "" // a write that may have been carried out: that any other was is evidence enough (G5)
	}
	own = class == hubspot.ClassDefect || !since.IsZero() && hubspot.OpOf(err) != "" && w.breaker.SucceededSince(op, since)
	switch {
	case own && n == 1:
		k.answer.refusal = batch.RefusalOf(err)
		w.ownFailure(k, ownTrouble(err), hubspot.OutcomeUnknown(err))
		k.resting = true
		k.answer = answer{}
		return true
	case n > 1 && apart[k.plan.op].op == op && (class == hubspot.ClassScope || class == hubspot.ClassForbidden):
		h.size, h.until, own = breaker.Narrowed(n), now.Add(breaker.NarrowWait), true
	case w.refusedApart(k, err):
		return true
	case n > 1:
		if own || since.IsZero() || class == hubspot.ClassDefect { // in an outage once
			h.size = breaker.Narrowed(n)
		}
		h.until = now.Add(breaker.NarrowWait)
	case class == hubspot.ClassScope:
		h.until, h.permission = now.Add(breaker.ScopeRetry), true
	default:
		longest := suspectWait
		if h.fails > manyFails {
			longest = manyFailsWait
		}
		h.until = now.Add(max(hubspot.RetryAfter(err), min(longest, w.cfg.Outage.Delay(h.fails))))
	}
	if class == hubspot.ClassDefect {
		w.tellDefect(err)
	}
	k.revisit = true
	return own
}

// ownTrouble is what a row says whose request alone failed.
func ownTrouble(err error) string {
	r := batch.RefusalOf(err)
	switch {
	case hubspot.Classify(err) == hubspot.ClassDefect:
		return "leadsync's own check refused the request, which is a defect of leadsync; please report it"
	case r.Status/100 == 4:
		return "while others succeeded, " + refusalNote(r)
	}
	return unclearNote
}

// ownFailure counts one attempt of the rows that the failed request was for; unclear: it may have been executed all the
// same.
func (w *Worker) ownFailure(k *work, note string, unclear bool) {
	if k.plan.op == opErase {
		k.ended = append(k.ended, w.retryLater(k.plan.del, k, outbox.GaveUp, note))
		k.done, k.revisit = true, false
		return
	}
	if len(k.plan.all.Rows) == 0 && k.plan.del != nil {
		k.plan.all.Rows = []*intent.Row{k.plan.del}
	}
	if unclear {
		w.attemptUnclear(k)
	} else {
		w.attemptFailed(k, outbox.GaveUp, note)
	}
	if k.plan.del != nil {
		k.behindDelete()
	}
}

// tellDefect says that our own code refused to send a request: never in silence, and never taken for an outage.
func (w *Worker) tellDefect(err error) {
	if w.deadLimit.allow(w.now()) {
		w.cfg.Log.Error(observe.OwnDefect, observe.Err, err, observe.Hint, breaker.CureDefect)
	}
}
