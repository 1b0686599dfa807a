package push

import (
	"slices"
	"strings"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// refusedOp is an operation that HubSpot does not allow to the token, while it may allow all others: deletes and erases
// wait for a person then, and nothing else does.
type refusedOp struct {
	leads map[lead.ID]bool // that were refused
	cause string
	until time.Time // when it is tried again by itself
}

// apart are the operations that are refused by themselves, with the words for them. The others are the lane itself:
// what may not write one contact may write none.
var apart = map[op]struct{ lane, op string }{
	opErase:   {"erase", hubspot.OpGDPRDelete},
	opArchive: {"delete", hubspot.OpBatchArchive},
}

// refusedApart puts off a lead whose delete or erase HubSpot does not allow. It reports false when the refusal is about
// something else.
func (w *Worker) refusedApart(k *work, err error) bool {
	words, ok := apart[k.plan.op]
	class := hubspot.Classify(err)
	if !ok || hubspot.OpOf(err) != words.op || class != hubspot.ClassScope && class != hubspot.ClassForbidden {
		return false
	}
	now := w.now()
	cause := strings.Join(append([]string{string(class)}, hubspot.ScopesOf(err)...), " ")
	w.mu.Lock()
	r := w.refusedOps[k.plan.op]
	first := r == nil
	if first {
		r = &refusedOp{leads: map[lead.ID]bool{}}
		w.refusedOps[k.plan.op] = r
	}
	if len(r.leads) < breaker.OutageLeast {
		r.leads[k.id] = true
	}
	r.cause, r.until = cause, now.Add(breaker.ScopeRetry)
	w.mu.Unlock()
	if first {
		w.cfg.Log.Error(observe.PushPaused, observe.Lane, words.lane, observe.Reason, cause, observe.Until, now.Add(breaker.ScopeRetry).UTC(), observe.Hint, breaker.Judge(err).Cure)
	}
	k.hint.until, k.hint.permission = now.Add(breaker.ScopeRetry), true
	k.ended = append(k.ended, outbox.Outcome{ID: k.plan.del.ID, State: outbox.Pending, Attempts: k.plan.del.Attempts, NotBefore: outbox.Millis(k.hint.until),
		Note: "waits: HubSpot does not allow the " + words.lane + " (" + cause + ")", CorrelationID: batch.RefusalOf(err).CorrelationID})
	if k.done, k.revisit = true, true; k.plan.op == opArchive {
		k.behindDelete()
	}
	return true
}

// heldApart puts off a lead whose delete or erase would be refused like those of others before it, and reports whether
// it did.
func (w *Worker) heldApart(k *work) bool {
	kind := k.plan.op
	if kind != opErase && k.plan.del != nil { // it may be read first
		kind = opArchive
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.refusedOps[kind]
	if r == nil || len(r.leads) < breaker.OutageLeast || r.leads[k.id] || !r.until.After(w.now()) {
		return false
	}
	w.queue.ReleaseAddresses(k.id, k.claims)
	k.hint.claims, k.hint.until, k.hint.permission = nil, r.until, true
	w.rememberLocked(k)
	w.queue.Add(k.id)
	w.queue.Done(k.id)
	return true
}

// wroteWell notes an accepted write request: what it does is allowed.
func (w *Worker) wroteWell(operation string) {
	w.breaker.WriteSucceeded(operation)
	w.mu.Lock()
	defer w.mu.Unlock()
	for kind, words := range apart {
		if words.op == operation && w.refusedOps[kind] != nil {
			delete(w.refusedOps, kind)
			w.cfg.Log.Info(observe.PushResumed, observe.Lane, words.lane)
			w.permitLocked()
		}
	}
}

// permitLocked lets leads go on that wait for a permission.
func (w *Worker) permitLocked() {
	for id, h := range w.hints {
		if h.permission {
			h.permission, h.until = false, time.Time{}
			w.queue.Delay(id, h.wait())
			w.queue.Add(id)
		}
	}
}

// refusedNow are sentences about the operations that are not allowed, and what helps.
func (w *Worker) refusedNow() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for kind, r := range w.refusedOps {
		all = append(all, apart[kind].lane+"s wait, everything else goes on: HubSpot does not allow them ("+r.cause+")")
	}
	slices.Sort(all)
	return all
}
