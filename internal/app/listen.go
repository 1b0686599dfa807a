package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leadsync/internal/breaker"
	"leadsync/internal/listen"
	"leadsync/internal/metrics"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// window shows the daemon to package listen. It lives as long as the process, over all times of owning the portal.
type window struct {
	app     *App
	history listen.History

	mu     sync.Mutex // guards what follows; it is held while the report is made, so that many who ask cost one
	report status.Report
	made   time.Time
}

// reportEvery bounds how often the rows are counted for pages and scrapes.
const reportEvery = 15 * time.Second

// openWindow listens and takes samples until the returned function is called.
func (a *App) openWindow(ctx context.Context) (shut func()) {
	if a.cfg.Status.Listen == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // also while the daemon stops
	w := &window{app: a}
	var parts sync.WaitGroup
	server := listen.New(listen.Config{Address: a.cfg.Status.Listen, Source: w, Log: a.log})
	parts.Go(func() { server.Run(ctx) })
	parts.Go(func() { w.sample(ctx) })
	return func() { cancel(); parts.Wait() }
}

// sample takes one sample a minute.
func (w *window) sample(ctx context.Context) {
	t := time.NewTicker(listen.SampleEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.history.Add(w.now(ctx))
		}
	}
}

func (w *window) now(ctx context.Context) listen.Sample {
	m := w.app.meters.takeMinute()
	s := listen.Sample{At: time.Now(), Pending: -1, Delivered: m.delivered, Skipped: m.skipped, Dead: m.dead, Requests: m.requests, Failed: m.failed}
	s.Middle, s.High = listen.Percentile(m.waits, 0.5), listen.Percentile(m.waits, 0.95)
	o := w.app.serving.Load()
	if o == nil {
		return s // it owns nothing, so nothing waits for it
	}
	s.RequestLimit = int64(o.hub.limiter.Budget().WindowLimit) * 6
	counts, err := within(ctx, o.app.db.Operator().CountPending)
	if err == nil {
		s.Pending = pendingOf(counts, o.lease.Portal())
	}
	return s
}

// History is the last day.
func (w *window) History() []listen.Sample { return w.history.All() }

// Report is what `leadsync status` says, at most reportEvery old.
func (w *window) Report(ctx context.Context) (status.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.Sub(w.made) < reportEvery && !w.made.IsZero() {
		return w.report, nil
	}
	o := w.app.serving.Load()
	if o == nil {
		return status.Report{}, errors.New(w.app.status.now())
	}
	db := o.app.db
	in, err := status.Collect(ctx, db.Operator(), status.Input{Version: w.app.version, Portal: o.cfg.Portal, AlertAfter: o.cfg.Status.AlertAfter})
	if err != nil {
		return status.Report{}, errors.New("database " + db.String() + ": " + store.Cause(err))
	}
	in.Now = time.Now()
	for i := range in.Portals { // what this process knows of its portal now, not what it saved of late
		if text, err := o.snapshot().Marshal(); err == nil && in.Portals[i].Portal == o.cfg.Portal {
			in.Portals[i].Status, in.Portals[i].StatusAt = string(text), in.Now.UnixMilli()
		}
	}
	w.report, w.made = status.Build(in), in.Now
	return w.report, nil
}

// Health is whether the work moves and whether the loops turn.
func (w *window) Health() listen.Health {
	a := w.app
	h := listen.Health{Problems: a.health.all()}
	if late := a.loops.stalled(time.Now(), max(a.patience(), time.Minute)); len(late) > 0 && !time.Now().Before(a.held()) {
		h.Problems = append(slices.Clone(h.Problems), status.Problem{Code: "loop", Text: "a loop of the daemon stands still: " + strings.Join(late, ", "),
			Cure: "restart it: systemctl restart leadsync; the log before says where it stood: journalctl -u leadsync"})
	}
	o := a.serving.Load()
	switch {
	case a.stopping.Load():
		h.NotReady = "stopping"
	case o != nil:
		snap := o.snapshot()
		if h.Ready = snap.State.Well(); !h.Ready {
			h.NotReady = sentence(snap)
		}
	case a.readied.Load(): // a standby
		h.Ready = true
	default:
		h.NotReady = a.status.now()
	}
	return h
}

// Metrics gathers all metrics of the moment.
func (w *window) Metrics(ctx context.Context) prometheus.Gatherer {
	var s metrics.Moment
	w.gauges(ctx, &s)
	return s.With(w.app.meters.registry)
}

func (w *window) gauges(ctx context.Context, s *metrics.Moment) {
	a := w.app
	health := w.Health()
	s.Gauge(metrics.Build, 1, a.version)
	s.Gauge(metrics.Started, float64(a.began.Unix()))
	s.Gauge(metrics.Healthy, oneIf(len(health.Problems) == 0))
	s.Gauge(metrics.Ready, oneIf(health.Ready))
	o := a.serving.Load()
	s.Gauge(metrics.Serving, oneIf(o != nil))
	found := map[string]bool{}
	for _, p := range health.Problems {
		found[p.Code] = true
	}
	if o != nil {
		scrapeSnapshot(s, o.snapshot(), time.Now())
		if report, err := w.Report(ctx); err == nil {
			scrapeReport(s, report, found)
		}
	}
	for _, code := range sortedKeys(found) {
		s.Gauge(metrics.Problem, 1, code)
	}
}

func scrapeSnapshot(s *metrics.Moment, snap status.Snapshot, now time.Time) {
	for _, state := range []breaker.State{breaker.Running, breaker.Limited, breaker.Paused, breaker.NeedsLogin, breaker.Degraded, breaker.Down} {
		s.Gauge(metrics.LaneState, oneIf(snap.State == state), string(state))
	}
	for _, b := range []struct {
		m *metrics.Metric
		n *int64
	}{{metrics.WindowUsed, snap.Budget.WindowUsed}, {metrics.WindowLimit, snap.Budget.WindowLimit}, {metrics.DailyUsed, snap.Budget.DailyUsed}, {metrics.DailyLimit, snap.Budget.DailyLimit}} {
		if b.n != nil {
			s.Gauge(b.m, float64(*b.n))
		}
	}
	since := func(ms int64) float64 { return max(0, now.Sub(time.UnixMilli(ms)).Seconds()) }
	waited := 0.0
	if snap.WaitingSince > 0 {
		waited = since(snap.WaitingSince)
	}
	s.Gauge(metrics.OldestWaiting, waited)
	if at := snap.Token.ExpiresAt; at != nil {
		s.Gauge(metrics.TokenSecondsLeft, time.UnixMilli(*at).Sub(now).Seconds())
	}
	if snap.LastSuccessAt > 0 {
		s.Gauge(metrics.LastAnswer, float64(snap.LastSuccessAt)/1000)
	}
	if snap.LastProgressAt > 0 {
		s.Gauge(metrics.LastProgress, float64(snap.LastProgressAt)/1000)
	}
	for _, one := range snap.Streams {
		if one.Watermark != nil {
			s.Gauge(metrics.StreamLag, since(*one.Watermark), one.Stream)
		}
		late := 0.0
		if one.NextRunAt != nil && one.RunningSince == nil && snap.State == breaker.Running {
			late = since(*one.NextRunAt)
		}
		s.Gauge(metrics.StreamOverdue, late, one.Stream)
	}
}

// scrapeReport adds what is counted of the portal; its reasons are words of this program, whatever an operator's SQL
// wrote there.
func scrapeReport(s *metrics.Moment, report status.Report, found map[string]bool) {
	p := report.Portals[0]
	for _, q := range []struct {
		state outbox.State
		n     int64
	}{{outbox.Pending, p.Queue.Pending}, {outbox.Delivered, p.Queue.Delivered}, {outbox.Skipped, p.Queue.Skipped}, {outbox.Dead, p.Queue.Dead}} {
		s.Gauge(metrics.QueueRows, float64(q.n), string(q.state))
	}
	dead := map[string]int64{}
	for reason, n := range p.DeadReasons {
		word := string(reason)
		if !reason.Known() {
			word = "other"
		}
		dead[word] += n
	}
	for _, reason := range sortedKeys(dead) {
		s.Gauge(metrics.DeadRows, float64(dead[reason]), reason)
	}
	for _, one := range report.Problems {
		found[one.Code] = true
	}
	for _, lane := range status.Lanes() {
		s.Gauge(metrics.LanePaused, oneIf(slices.Contains(p.PausedByHand, lane)), lane)
	}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
