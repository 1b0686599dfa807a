package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/sequence"
	"leadsync/internal/settlement"
	"leadsync/internal/workqueue"
)

// Worker pushes one portal. Run it once; the other methods are safe for concurrent use.
type Worker struct {
	cfg   Config
	hub   HubSpot
	store Store

	breaker   *breaker.Breaker
	consent   *consentLane
	refusals  *breaker.Refusals
	stats     stats
	deadLimit perMinute

	account  *account.Account
	contacts *contact.Reader
	began    time.Time
	skips    skippedRows // one goroutine uses it
	// readFirst: more than a fifth of the last creates met an existing contact, so the next ones are looked up first.
	readFirst atomic.Bool
	hinted    atomic.Bool // Hinted was called

	queue *workqueue.Queue // who may act for a lead, and when again

	mu    sync.Mutex // guards what follows; the queue is asked under it, never the other way round
	pools *pools     // of the run under way
	// refusedOps are the operations that HubSpot does not allow, see refusedop.go.
	refusedOps map[op]*refusedOp
	hints      map[lead.ID]*hint
	paused     breaker.Lanes
	scan       map[outbox.Lane]*scanner
	jobsUnder  int
	// suspectJobs are those of them whose leads failed before.
	suspectJobs int

	lookSize      int // most leads in a second look; one goroutine uses it
	owed          owing
	ids           sequence.Watch
	deleteTurn    chan struct{} // held while the brake of deletes is asked
	deletesPaused atomic.Int64  // since when it is on, unix ms

	jobDone chan struct{}
	wake    chan struct{}
}

// New returns a worker that has not started.
func New(cfg Config, hub HubSpot, store Store) *Worker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Person == nil {
		cfg.Person = func(lead.ID) slog.Attr { return slog.Attr{} }
	}
	if cfg.Turn == nil {
		cfg.Turn = func(string, time.Duration) {}
	}
	w := &Worker{cfg: cfg, hub: hub, store: store, began: cfg.Now(),
		refusedOps: map[op]*refusedOp{}, hints: map[lead.ID]*hint{},
		scan: newScan(), jobDone: make(chan struct{}, 1), deleteTurn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	w.queue = workqueue.New(cfg.Now, w.Wake)
	w.lookSize, w.owed = BatchSize, owing{w: w, pass: owedPass{refused: map[string]int{}}}
	w.breaker = breaker.New(breaker.Config{Log: cfg.Log, Waits: cfg.Outage, Now: cfg.Now})
	w.refusals = breaker.NewRefusals(w.breaker)
	w.consent = newConsentLane(&cfg)
	w.account = account.New(account.Config{HubSpot: hub, Pin: w.pin, Mapping: cfg.Mapping, OnDefinitions: cfg.OnDefinitions, Breaker: w.breaker,
		Log: cfg.Log, Now: cfg.Now})
	w.contacts = contact.NewReader(contact.Config{HubSpot: hub, Table: w.table, Succeeded: w.breaker.ReadSucceeded, Now: cfg.Now})
	return w
}

// Breaker says whether the portal may send, for those who share the account with push.
func (w *Worker) Breaker() *breaker.Breaker { return w.breaker }

// Account is what is known of the HubSpot account.
func (w *Worker) Account() *account.Account { return w.account }

func (w *Worker) now() time.Time { return w.cfg.Now() }
func (w *Worker) mode() Mode     { return w.cfg.OnInvalid }
func (w *Worker) debug() bool    { return w.cfg.Log.Enabled(context.Background(), slog.LevelDebug) }
func (w *Worker) hubID() int64   { return w.account.ID() }

func (w *Worker) table() *mapping.Table { return w.account.Table() }

// pin remembers the account behind the token.
func (w *Worker) pin(ctx context.Context, a hubspot.Account) error {
	err := w.store.PinHub(ctx, a)
	if err == nil {
		return nil
	}
	if t := w.store.Trouble(err); t != nil {
		return fmt.Errorf("%w: %w", t, err)
	}
	return err
}

// mayWrite is asked right before each request starts: the lease must outlive it.
func (w *Worker) mayWrite(context.Context) error {
	if !w.store.MaySend() {
		return breaker.ErrLeaseEnding
	}
	return nil
}

// Wake hints that rows may have been inserted. It never blocks; the poll behind it would find them too.
func (w *Worker) Wake() {
	signal(w.wake)
	signal(w.consent.wake)
}

// Hinted says that whatever is committed is followed by a Wake: while nothing is to be done the worker looks for itself
// only once a second, since reading an empty table four times a second is most of what an idle daemon costs.
func (w *Worker) Hinted() { w.hinted.Store(true) }

// idlePoll is how long a lane without work waits for the next look.
func (w *Worker) idlePoll() time.Duration {
	d := w.cfg.PollInterval
	if w.hinted.Load() {
		d = min(4*d, max(d, time.Second))
	}
	return d
}

func (w *Worker) jobsNow() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobsUnder
}

// Run pushes until ctx ends, then lets the requests under way finish and settle for as long as work lives; both are
// owned by the caller. It returns nil on a clean stop and settlement.ErrLeaseLost when another daemon owns the portal.
func (w *Worker) Run(ctx, work context.Context) error { return w.run(ctx, work, false) }

// Once pushes what is pending, of both lanes, and returns when nothing more can be sent now.
func (w *Worker) Once(ctx, work context.Context) error {
	var unsubscribes error
	known := w.account.Connect(ctx) == nil
	cutWaits(ctx, w)
	if known { // otherwise the contact lane says why
		unsubscribes = w.unsubscribe(ctx, work, true)
	}
	err := w.run(ctx, work, true)
	if unsubscribes == nil && err == nil { // a first link, or a change of address, may ask for more; rows that carried fields for the rest
		if unsubscribes = w.unsubscribe(ctx, work, true); unsubscribes == nil {
			err = w.run(ctx, work, true)
		}
	}
	return errors.Join(err, unsubscribes)
}

func (w *Worker) run(ctx, work context.Context, once bool) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	pools := newPools()
	w.setPools(pools)
	defer func() {
		w.setPools(nil)
		w.abandon(pools)
	}()
	turn := func() { w.turnWith(pools) }
	for {
		turn()
		if err := w.account.Connect(ctx); err != nil {
			if ctx.Err() != nil {
				return w.cause(ctx)
			}
			w.breaker.Fail(err)
			if once {
				return err
			}
			if w.breaker.Wait(ctx, turn) != nil {
				return w.cause(ctx)
			}
			continue
		}
		if w.breaker.OpenFor() > 0 {
			if once && w.idle() {
				return errors.New("the lane waits: " + w.Status().Cause)
			}
			if w.breaker.Wait(ctx, turn) != nil {
				return w.cause(ctx)
			}
		}
		read, err := w.fill(ctx, pools)
		if err != nil {
			if ctx.Err() != nil {
				return w.cause(ctx)
			}
			if t := w.store.Trouble(err); t != nil {
				err = errors.Join(t, err)
			}
			if errors.Is(err, settlement.ErrLeaseLost) {
				return err
			}
			w.breaker.Fail(err)
			if once {
				return err
			}
			continue
		}
		w.breaker.DatabaseAnswered(read.leads == 0 && pools.empty() && w.idle() && w.soonest() < 0)
		for _, j := range pools.take(w.now(), w.cfg.Linger, read, w.slots()) {
			w.start(j)
			jobs.Go(func() {
				err := w.runJob(work, j)
				w.finished(j, err)
				if errors.Is(err, settlement.ErrLeaseLost) {
					stop(settlement.ErrLeaseLost)
				}
			})
		}
		if ctx.Err() != nil {
			return w.cause(ctx)
		}
		if once && read.leads == 0 && !read.more && pools.empty() && w.idle() && !w.soon() {
			if w.breaker.SuspectsIn() > 0 {
				return errors.New("the lane waits: " + w.Status().Cause)
			}
			return nil
		}
		w.pauseUntilWork(ctx, pools, read)
	}
}

// The loops of a Worker, as Config.Turn names them. Each turns again after the wait that it announced, also when there
// is nothing to do, the lane is closed or HubSpot is away.
const (
	LoopPush       = "push" // reads and plans
	LoopRequests   = "requests"
	LoopSecondLook = "second look"
	LoopSummary    = "summary"
)

const (
	// beatEvery bounds every wait of the reading loop.
	beatEvery = 10 * time.Second
	// slow is how long requests may be under way without one that ends, and a second look may take: they wait for their
	// turn behind others, and each ends by its own time-out.
	slow = 10 * time.Minute
)

func (w *Worker) turn() { w.cfg.Turn(LoopPush, beatEvery) }

// turnRequests runs under mu: while jobs are under way, one must end now and then.
func (w *Worker) turnRequests() {
	if w.jobsUnder == 0 {
		w.cfg.Turn(LoopRequests, -1)
	} else {
		w.cfg.Turn(LoopRequests, slow)
	}
}

// InDoubt reports whether a request had an unknown outcome that was not read back yet: whoever serves the portal next
// must know.
func (w *Worker) InDoubt() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hints {
		if h.unknown {
			return true
		}
	}
	return false
}

// inDoubt: requests of the owner before may still be executed.
func (w *Worker) inDoubt() bool { return w.cfg.Doubt > 0 && w.now().Sub(w.began) < w.cfg.Doubt }

func (w *Worker) cause(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), settlement.ErrLeaseLost) {
		return settlement.ErrLeaseLost
	}
	return nil
}

// start counts a job in.
func (w *Worker) start(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobsUnder++; w.jobsUnder == 1 {
		w.turnRequests()
	}
	if j.suspect {
		w.suspectJobs++
	}
}

// finished releases the leads of a job and takes what it learnt into the breaker and the hints.
func (w *Worker) finished(j *job, err error) {
	now := w.now()
	switch {
	case err == nil && j.askedNothing():
	case err == nil:
		w.breaker.Succeed()
	case hubspot.Classify(err) == hubspot.ClassStopped && !errors.Is(err, settlement.ErrDatabaseAway):
	case j.own:
	default:
		j.what.Many = j.what.Leads > 0 && w.remembered() > 10*BatchSize
		w.breaker.FailFor(err, j.what)
		if errors.Is(err, settlement.ErrDatabaseAway) {
			w.breaker.SettleFailed()
		}
		w.cfg.Log.Debug(observe.PushDegraded, "leads", len(j.works), "err", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobsUnder--
	if j.suspect {
		w.suspectJobs--
	}
	w.turnRequests()
	for _, k := range j.works {
		w.releaseLocked(k, err, now)
	}
	signal(w.jobDone)
	if w.queue.AnyPreempted() {
		signal(w.consent.wake)
	}
}

// remembered is how many leads something is remembered of.
func (w *Worker) remembered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hints)
}

func (w *Worker) setPools(p *pools) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pools = p
}

// releaseLocked lets a lead go.
func (w *Worker) releaseLocked(k *work, err error, now time.Time) {
	w.putBackLocked(k, err, now)
	w.queue.Done(k.id)
}

// putBackLocked keeps of a lead what the next job with it must know. What is not settled is read again, since the scan
// has passed its rows.
func (w *Worker) putBackLocked(k *work, err error, now time.Time) {
	settled := k.done && !k.unsettled && !k.hint.until.After(now) && k.answer.kind != heldBack
	if settled && (err == nil || len(k.ended) == 0 && !k.hint.unknown) {
		w.queue.ReleaseAddresses(k.id, k.claims)
		if k.hint.claims = nil; k.hint.take == 0 {
			delete(w.hints, k.id)
			w.queue.Delay(k.id, workqueue.Wait{})
		}
		if k.revisit || k.hint.take > 0 {
			w.queue.Add(k.id)
		}
		return
	}
	if k.hint.unknown && (k.link.State != ledger.Linked || k.unsettled || k.fill != nil) {
		k.hint.claims = k.claims
	} else {
		w.queue.ReleaseAddresses(k.id, k.claims)
		k.hint.claims = nil
	}
	if err != nil && !k.hint.until.After(now) && k.hint.unknown && !k.resting {
		k.hint.until = now.Add(w.cfg.Outage.Delay(1) / 2)
	}
	w.rememberLocked(k)
	if !k.resting {
		w.queue.Add(k.id)
	}
}

// rememberLocked keeps what is known of a lead for its next job.
func (w *Worker) rememberLocked(k *work) {
	w.hints[k.id] = k.hint
	w.queue.Delay(k.id, k.hint.wait())
}

// liveSlots are jobs that only live leads may start, so that they need not wait for one of a backfill to end.
const liveSlots = 2

// free is how many more jobs may be started: a few more than requests may be under way, so that one always waits at the
// limiter.
func (w *Worker) free(live bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := w.cfg.Concurrency + 2
	switch {
	case w.breaker.FreshIn() > 0:
		return 0
	case w.breaker.Unsettled():
		return max(0, 1-w.jobsUnder)
	case w.breaker.ProbeSize() > 0:
		most = 1
	case live:
		most += liveSlots
	}
	return max(0, most-(w.jobsUnder-w.suspectJobs))
}

// slots are the jobs that may be formed now.
func (w *Worker) slots() slots {
	s := slots{any: w.free(false), live: w.free(true), suspects: suspectSlots, probe: w.breaker.ProbeSize()}
	if s.probe > 0 {
		s.suspects = 2
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.breaker.SuspectsIn() > 0:
		s.suspects = 0
	case w.breaker.Unsettled():
		s.suspects = max(0, 1-w.jobsUnder)
	}
	s.suspects = max(0, s.suspects-w.suspectJobs)
	return s
}

// want is how many leads the pools should hold, so that none of the free jobs waits for the database.
func (w *Worker) want() int {
	if n := w.breaker.ProbeSize(); n > 0 {
		return n
	}
	return min(w.free(true)+1, w.cfg.Concurrency+2) * BatchSize
}

func (w *Worker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobsUnder == 0
}

// pauseUntilWork waits for the next reason to read: a finished job, a hint, the poll, or the end of a linger.
func (w *Worker) pauseUntilWork(ctx context.Context, p *pools, read reading) {
	if read.more && w.free(false) > 0 && p.size() < w.want() && !p.full() {
		return
	}
	d := min(w.cfg.PollInterval, beatEvery)
	if !read.more && p.empty() && w.jobsNow() == 0 {
		d = min(w.idlePoll(), beatEvery)
	}
	if l := p.ripeIn(w.now(), w.cfg.Linger, w.free(false) == 0); l >= 0 && w.free(true) > 0 {
		d = min(d, max(l, time.Millisecond))
	}
	if s := w.soonest(); s >= 0 && p.size() < w.want() { // else they are not read
		d = min(d, max(s, time.Millisecond))
	}
	if f := w.breaker.FreshIn(); f > 0 && !p.empty() {
		d = min(d, f)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	wake := w.wake
	if !p.empty() && w.free(true) == 0 {
		wake = nil // nothing could be started
	}
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-w.jobDone:
	case <-wake:
	}
}
