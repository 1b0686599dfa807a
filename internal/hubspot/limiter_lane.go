package hubspot

import (
	"slices"
	"time"
)

const (
	// guard is what a window is longer for us than for HubSpot, for which it costs 1 % of a ten-second window: HubSpot
	// counts at its end of the line. Of it, travel is for two requests that travel differently long: two starts that are a
	// limit apart keep that distance whatever happens. The rest is for starts that a busy machine makes late, which would
	// otherwise be late again in every window after.
	guard  = 100 * time.Millisecond
	travel = 80 * time.Millisecond
	// searchGuard and searchTravel are those of search, whose window is one second: 4 % of it. A search that comes too
	// early all the same is answered with 429 and made again.
	searchGuard  = 40 * time.Millisecond
	searchTravel = 30 * time.Millisecond
	// catchUp is how many slots a late timer or an idle moment may leave behind to be used at once, and catchUpPart the
	// part of the window that they may fill at most, which counts where the limit is small.
	catchUp     = 3
	catchUpPart = 32
	// stretch is by which part of an interval steps may be longer than one, to pay a burst back before the window asks for
	// it. lookAhead is how many steps that takes: catchUp intervals, a stretch at a time.
	stretch   = 10
	lookAhead = (catchUp + 1) * stretch
	// pullEvery is pull's floor: one start in so many.
	pullEvery = 20
)

// waiter is one request in a queue. Its fields but ready are written under the limiter's lock, before ready is closed.
type waiter struct {
	ready  chan struct{}
	done   bool
	ticket ticket
	err    error
}

// lane is one counter with its queues: the window, or search. All methods need the limiter's lock.
type lane struct {
	window time.Duration
	max    int // what HubSpot allows; 0 = no limit
	limit  int // what we may use
	guard,
	travel time.Duration

	starts    []time.Time // ring: start n is at n % len
	n         uint64      // starts so far
	slot      time.Time   // the last slot of the pace
	fullUntil time.Time
	trickle   time.Duration // between starts while the window counts as full; 0 = none
	trickleAt time.Time     // when the next of them may be
	holdUntil time.Time

	queues    [priorities][]*waiter
	waiting   int
	failed    int
	sincePull int
	timer     *time.Timer
}

func newLane(window time.Duration, most, limit int) lane {
	ln := lane{window: window, max: most, limit: limit, guard: guard, travel: travel, starts: make([]time.Time, 2*max(limit, 1))}
	if window <= time.Second {
		ln.guard, ln.travel = searchGuard, searchTravel
	}
	return ln
}

// earliest is when the next start may be, with allowed starts a window.
func (ln *lane) earliest(now time.Time, allowed int) time.Time {
	at := ln.holdUntil
	if ln.limit == 0 {
		return at
	}
	full := ln.fullUntil
	if ln.trickle > 0 && ln.trickleAt.Before(full) {
		full = ln.trickleAt
	}
	for _, bound := range []time.Time{full, ln.slot.Add(ln.interval(allowed)), ln.windowBound(allowed)} {
		if bound.After(at) {
			at = bound
		}
	}
	return at
}

func (ln *lane) interval(allowed int) time.Duration {
	return (ln.window + ln.guard) / time.Duration(allowed)
}

// windowBound is when the start that lies allowed starts back has left the window. It is later when starts soon after
// that one stand close together: then the steps before them are stretched a little, since without that the pace would
// run into a gap of several intervals, and an urgent request that comes right then would have to sit it out.
func (ln *lane) windowBound(allowed int) time.Time {
	var bound time.Time
	step := ln.interval(allowed)
	step += step / stretch
	missing := max(0, allowed-int(min(ln.n, uint64(allowed)))) // of the first window
	for ahead := missing; ahead < min(allowed, lookAhead); ahead++ {
		start := ln.starts[(ln.n+uint64(ahead)-uint64(allowed))%uint64(len(ln.starts))]
		if at := start.Add(ln.window + ln.travel - time.Duration(ahead)*step); at.After(bound) {
			bound = at
		}
	}
	return bound
}

// grant lets the next waiter start now.
func (ln *lane) grant(now time.Time, allowed int) {
	w := ln.next()
	if ln.limit > 0 {
		ln.trickleAt = now.Add(ln.trickle)
		interval := ln.interval(allowed)
		ln.slot = ln.slot.Add(interval)
		if oldest := now.Add(-min(catchUp*interval, ln.window/catchUpPart)); ln.slot.Before(oldest) {
			ln.slot = oldest
		}
		ln.starts[ln.n%uint64(len(ln.starts))] = now
	}
	ln.n++
	w.ticket = ticket(ln.n)
	w.done = true
	close(w.ready)
}

// next takes the waiter whose turn it is out of its queue. The slot that is due to pull goes to an unsubscribe that
// waits, and pull gets it back later; only a flood of unsubscribes has to share.
func (ln *lane) next() *waiter {
	p := PriorityUnsubscribe
	for len(ln.queues[p]) == 0 {
		p++
	}
	waits := len(ln.queues[PriorityPull]) > 0
	if waits && (ln.sincePull >= 2*pullEvery-1 || ln.sincePull >= pullEvery-1 && p != PriorityUnsubscribe) {
		p = PriorityPull
	}
	ln.sincePull++
	switch {
	case p == PriorityPull:
		ln.sincePull = max(0, ln.sincePull-pullEvery)
	case !waits:
		ln.sincePull = min(ln.sincePull, pullEvery-1) // what pull does not ask for is not saved up
	}
	w := ln.queues[p][0]
	ln.queues[p] = slices.Delete(ln.queues[p], 0, 1)
	ln.waiting--
	return w
}

func (ln *lane) push(w *waiter, p Priority) {
	ln.queues[p] = append(ln.queues[p], w)
	ln.waiting++
}

func (ln *lane) remove(w *waiter, p Priority) {
	if i := slices.Index(ln.queues[p], w); i >= 0 {
		ln.queues[p] = slices.Delete(ln.queues[p], i, i+1)
		ln.waiting--
	}
}

// failAll ends the wait of everybody with err and leaves their number in failed.
func (ln *lane) failAll(err error) {
	ln.failed = ln.waiting
	for p := range ln.queues {
		for _, w := range ln.queues[p] {
			w.err, w.done = err, true
			close(w.ready)
		}
		ln.queues[p] = nil
	}
	ln.waiting = 0
}

func (ln *lane) wakeAt(after time.Duration, f func()) {
	if ln.timer == nil {
		ln.timer = time.AfterFunc(after, f)
		return
	}
	ln.timer.Reset(after)
}

func (ln *lane) sleep() {
	if ln.timer != nil {
		ln.timer.Stop()
	}
}

// used counts our starts after from and up to to.
func (ln *lane) used(from, to time.Time) int {
	n := 0
	for _, at := range ln.starts {
		if at.After(from) && !at.After(to) {
			n++
		}
	}
	return n
}

// usedAt counts our starts in the window that ends at t.
func (ln *lane) usedAt(t time.Time) int { return ln.used(t.Add(-ln.window), t) }

// left moves a start to the later moment when the request really left.
func (ln *lane) left(which ticket, at time.Time) {
	n := uint64(which) - 1
	if which == 0 || ln.limit == 0 || ln.n-n > uint64(len(ln.starts)) {
		return
	}
	if start := &ln.starts[n%uint64(len(ln.starts))]; at.After(*start) {
		*start = at
	}
}
