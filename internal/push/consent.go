package push

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// Consent says how lead.unsubscribed and lead.resubscribed are carried out.
type Consent struct {
	Subscriptions []int64 // the subscription types to leave; empty = all e-mail
	Resubscribe   bool    // whether SUBSCRIBED may be sent at all
	// Basis is sent along where single subscriptions are set; both parts may be empty.
	Basis        hubspot.Basis
	BusinessUnit int64 // the brand, 0 = the account's own
}

// Preferences is the part of the HubSpot client that acts on consent.
type Preferences interface {
	SubscriptionDefinitions(ctx context.Context) ([]hubspot.SubscriptionDefinition, error)
	Statuses(ctx context.Context, address string, unit int64) ([]hubspot.SubscriptionStatus, error)
	OptedOutOfAll(ctx context.Context, address string, unit int64) ([]hubspot.SubscriptionStatus, error)
	OptOutOfAll(ctx context.Context, address string, unit int64) ([]hubspot.SubscriptionStatus, error)
	OptOut(ctx context.Context, address string, subscription int64, b hubspot.Basis) (hubspot.SubscriptionStatus, error)
	OptIn(ctx context.Context, address string, subscription int64, e hubspot.Evidence) (hubspot.SubscriptionStatus, error)
	BatchOptOutOfAll(ctx context.Context, addresses []string, unit int64) (*hubspot.ConsentBatch, error)
	BatchOptOut(ctx context.Context, in []hubspot.OptOutInput, b hubspot.Basis) (*hubspot.ConsentBatch, error)
}

// consentLane is the unsubscribe lane: its own reading of the outbox, its own breaker, its own jobs, before everything
// else at the limiter. What stops the contact lane (a property at fault, a pause) does not stop it. It shares the leads
// with the contact lane: a lead is in one job at a time, whichever lane it is of.
type consentLane struct {
	breaker *breaker.Breaker
	wake    chan struct{} // one slot: rows may have been inserted, or a lead it wants is free
	ended   chan struct{} // one slot: a job of the lane has ended

	after outbox.EntryID // how far the scan has come; one goroutine uses it and what follows
	// handed are rows whose word is done and whose fields the contact lane has still to bring: they are passed on to it
	// and cost nothing here. seen are those of them that the pass under way has met.
	handed, seen map[outbox.EntryID]bool

	mu           sync.Mutex      // guards what follows
	under        int             // jobs under way
	noBatchUntil time.Time       // the account or the token has no batches, asked again then
	batchFails   int             // batches in a row that ended without a clear answer
	refused      map[string]bool // addresses that were refused since HubSpot last took one
	proved       map[string]bool // that were refused before it took another: refused again, it is their own
	suspects     map[lead.ID]*consentSuspect
	suspectJobs  int       // jobs under way that hold one of them
	checkedAt    time.Time // when the subscription types of the configuration were last found in the account
	types        []int64   // those of the account, nil = not known yet
	typesUntil   time.Time // when they are asked for again
	typesAgain   time.Time // the same after they could not be read, typesFails times in a row
	typesFails   int
	formerAgain  time.Time // when addresses of before are asked about again, after the scope for that was missing
}

func newConsentLane(cfg *Config) *consentLane {
	c := &consentLane{wake: make(chan struct{}, 1), ended: make(chan struct{}, 1), refused: map[string]bool{}, proved: map[string]bool{}, suspects: map[lead.ID]*consentSuspect{},
		handed: map[outbox.EntryID]bool{}, seen: map[outbox.EntryID]bool{}}
	log := cfg.Log
	if log != nil {
		log = log.With(observe.Lane, laneUnsubscribe)
	}
	c.breaker = breaker.New(breaker.Config{Log: log, Waits: cfg.Outage, Now: cfg.Now})
	return c
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Unsubscribe runs the unsubscribe lane until ctx ends, beside Run and like it.
func (w *Worker) Unsubscribe(ctx, work context.Context) error { return w.unsubscribe(ctx, work, false) }

func (w *Worker) unsubscribe(ctx, work context.Context, once bool) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	defer w.queue.EndPreempts() // while the lane is closed nobody waits for it
	c := w.consent
	for ctx.Err() == nil {
		if !w.account.Known() { // the contact lane learns the account
			w.pauseConsent(ctx, w.cfg.PollInterval)
			continue
		}
		if c.breaker.OpenFor() > 0 {
			w.queue.EndPreempts()
			if once && c.idle() {
				return errors.New("unsubscribes wait: " + c.breaker.Status().Cause)
			}
			if c.breaker.Wait(ctx, func() {}) != nil {
				break
			}
		}
		if w.pausedLanes().Unsubscribe {
			w.queue.EndPreempts()
			if once {
				break
			}
			w.pauseConsent(ctx, w.cfg.PollInterval)
			continue
		}
		works, more, err := w.readConsent(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			if t := w.store.Trouble(err); t != nil {
				err = errors.Join(t, err)
			}
			if errors.Is(err, settlement.ErrLeaseLost) {
				return err
			}
			c.breaker.Fail(err)
			if once {
				return err
			}
			continue
		}
		c.breaker.DatabaseAnswered(len(works) == 0 && c.idle())
		for _, part := range w.consentJobs(works) {
			again := c.isSuspect(part[0].id)
			c.count(1, again)
			jobs.Go(func() {
				var b blamed
				err := w.consentJob(work, part, &b)
				w.consentEnded(part, b, err)
				c.count(-1, again)
				signal(c.ended)
				signal(w.wake)
				if errors.Is(err, settlement.ErrLeaseLost) {
					stop(settlement.ErrLeaseLost)
				}
			})
		}
		if once && len(works) == 0 && !more && c.idle() {
			if c.breaker.SuspectsIn() > 0 {
				return errors.New("unsubscribes wait: " + c.breaker.Status().Cause)
			}
			break
		}
		if !more || w.consentRoom() == 0 {
			d := w.cfg.PollInterval
			if len(works) == 0 && !more && c.idle() {
				d = w.idlePoll()
			}
			w.pauseConsent(ctx, min(d, beatEvery))
		}
	}
	return w.cause(ctx)
}

// pauseConsent waits for the next reason to read.
func (w *Worker) pauseConsent(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-w.consent.wake:
	case <-w.consent.ended:
	}
}

func (c *consentLane) count(n int, suspect bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.under += n; suspect {
		c.suspectJobs += n
	}
}

func (c *consentLane) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.under == 0
}

// mayBatch reports whether several opt-outs may go in one request.
func (c *consentLane) mayBatch(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !now.Before(c.noBatchUntil) && c.batchFails < 2
}

// consentRoom is how many leads that have not failed the lane may take now.
func (w *Worker) consentRoom() int {
	c := w.consent
	size := w.optOutsPerJob()
	if c.breaker.FreshIn() > 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	free := w.cfg.Concurrency - c.under
	switch {
	case c.breaker.Unsettled():
		free = 1 - c.under
	case c.breaker.ProbeSize() > 0:
		free = 1 - (c.under - c.suspectJobs)
	}
	return max(0, free) * size
}

// singlesPerJob is how many opt-outs go out one by one before they are settled.
const singlesPerJob = 10

// optOutsPerJob is how many leads go into one job.
func (w *Worker) optOutsPerJob() int {
	n := w.consent.breaker.ProbeSize()
	switch {
	case n > 0:
		return min(n, singlesPerJob)
	case !w.consent.mayBatch(w.now()):
		return singlesPerJob
	}
	return max(1, BatchSize/max(1, len(w.cfg.Consent.Subscriptions)))
}

// consentJobs parts the works: those that ask for an opt-in alone, and those that failed before, the others in batches.
func (w *Worker) consentJobs(works []*work) [][]*work {
	size := w.optOutsPerJob()
	var jobs [][]*work
	var outs []*work
	for _, k := range works {
		if k.in != nil || w.consent.isSuspect(k.id) {
			jobs = append(jobs, []*work{k})
			continue
		}
		if outs = append(outs, k); len(outs) == size {
			jobs, outs = append(jobs, outs), nil
		}
	}
	if len(outs) > 0 {
		jobs = append([][]*work{outs}, jobs...)
	}
	return jobs
}

// consentEnded lets the leads of a job go, and the contact lane have those that have rows for it.
func (w *Worker) consentEnded(works []*work, b blamed, err error) {
	c := w.consent
	switch c.cleared(works); {
	case b.own:
	case err == nil:
		c.breaker.Succeed()
	case hubspot.Classify(err) == hubspot.ClassStopped && !errors.Is(err, settlement.ErrDatabaseAway):
	default:
		c.breaker.FailFor(err, b.what)
		if errors.Is(err, settlement.ErrDatabaseAway) {
			c.breaker.SettleFailed()
		}
	}
	w.mu.Lock()
	for _, k := range works {
		w.leaveConsentLocked(k)
	}
	w.mu.Unlock()
}

// leaveConsentLocked lets one lead go.
func (w *Worker) leaveConsentLocked(k *work) {
	w.queue.EndPreempt(k.id)
	w.queue.ReleaseAddresses(k.id, k.claims)
	if h := w.hints[k.id]; h != nil && h.consent {
		h.consent, h.until = false, time.Time{}
		w.queue.Delay(k.id, h.wait())
	}
	if len(k.rows) > 0 || k.revisit {
		w.queue.Add(k.id)
	}
	w.queue.Done(k.id)
}

// letGo takes leads that the unsubscribe lane waits for out of a job, unless a request with them is under way: before
// the job writes they have lost nothing, and what is settled is settled.
func (w *Worker) letGo(j *job, open []*work) []*work {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.queue.AnyPreempted() {
		return open
	}
	gone := map[*work]bool{}
	for _, k := range j.works {
		if w.queue.Preempted(k.id) {
			gone[k] = true
			k.revisit = true
			w.releaseLocked(k, nil, w.now())
		}
	}
	if len(gone) == 0 {
		return open
	}
	without := func(works []*work) []*work {
		kept := works[:0:0]
		for _, k := range works {
			if !gone[k] {
				kept = append(kept, k)
			}
		}
		return kept
	}
	j.works = without(j.works)
	signal(w.consent.wake)
	return without(open)
}

// leaveToConsent lets a lead go that must not get an address before the unsubscribe lane has decided what its rows say
// of consent.
func (w *Worker) leaveToConsent(k *work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.ReleaseAddresses(k.id, k.claims)
	k.hint.claims = nil
	k.hint.consent, k.hint.until = true, w.now().Add(time.Minute) // by then that lane has long told
	w.rememberLocked(k)
	w.queue.Add(k.id)
	if slices.ContainsFunc(k.words, func(r *intent.Row) bool { return r.Parked() && !k.decided(r) }) {
		w.queue.Preempt(k.id) // it waited for the address that has come now, and no reading of that lane finds it
	}
	w.queue.Done(k.id)
	signal(w.consent.wake)
}

// giveBackWord has the unsubscribe lane look once more at a lead with an unsubscribe that this lane was handed as done:
// a later word may have asked for its evidence anew.
func (w *Worker) giveBackWord(k *work) {
	if !slices.ContainsFunc(k.words, func(r *intent.Row) bool {
		return r.Consent == ledger.Out && r.NotBefore == nil && r.HasConsent() && k.decided(r) && !k.outlived(r) && !k.wordDone(r)
	}) {
		return
	}
	w.queue.Preempt(k.id)
	signal(w.consent.wake)
}
