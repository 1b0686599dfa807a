// Package metrics counts what the daemon does and gathers it for Prometheus.
//
// Guarantee: every metric of this program stands in the table All, with its help and its labels, so that the README's
// table and the alert rules can be held against it; a sample with other labels than its metric's is a defect and panics
// in the first test that meets it. No label holds a person: values are words of this program (states, reasons,
// operations, classes), never text of an application or of HubSpot, and their number is bounded. Beside the table there
// are client_golang's own metrics of the Go runtime (go_*) and of the process (process_*).
//
// It serves no HTTP and asks nobody: who scrapes brings the gauges of the moment.
//
// Design: client_golang on a registry of its own, so that two daemons in one process, as tests have them, do not count
// together, and no package that is linked in adds a metric. Counters and histograms live as long as the process; gauges
// are constants that each scrape makes from the daemon's state, because a gauge that is set by whoever changes
// something is wrong as soon as one of them forgets it.
package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Kind is the type of a metric in Prometheus' words.
type Kind string

// The kinds.
const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Metric is one row of the table.
type Metric struct {
	Name    string
	Kind    Kind
	Help    string
	Labels  []string
	Buckets []float64 // of a histogram, rising
}

// NewRegistry makes a registry that holds the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// mostSeries bounds the label values of one metric; what comes beyond is counted under "other".
const mostSeries = 200

// bound keeps the series of one metric below mostSeries. Safe for concurrent use.
type bound struct {
	mu    sync.Mutex
	known map[string]bool
}

// values gives the label values under which a sample is counted.
func (b *bound) values(values []string) []string {
	key := strings.Join(values, "\x00")
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.known[key]:
	case len(b.known) >= mostSeries:
		return slices.Repeat([]string{"other"}, len(values))
	case b.known == nil:
		b.known = map[string]bool{key: true}
	default:
		b.known[key] = true
	}
	return values
}

// Counter only rises. Safe for concurrent use.
type Counter struct {
	vec   *prometheus.CounterVec
	bound bound
}

// NewCounter makes a counter of a metric of the table and registers it.
func NewCounter(r prometheus.Registerer, m *Metric) *Counter {
	c := &Counter{vec: prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)}
	r.MustRegister(c.vec)
	if len(m.Labels) == 0 {
		c.vec.WithLabelValues() // 0 is shown from the start
	}
	return c
}

// Add raises the counter of the label values.
func (c *Counter) Add(n float64, values ...string) {
	c.vec.WithLabelValues(c.bound.values(values)...).Add(n)
}

// Histogram counts observations by size. Safe for concurrent use.
type Histogram struct {
	vec   *prometheus.HistogramVec
	bound bound
}

// NewHistogram makes a histogram of a metric of the table and registers it.
func NewHistogram(r prometheus.Registerer, m *Metric) *Histogram {
	h := &Histogram{vec: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: m.Buckets}, m.Labels)}
	r.MustRegister(h.vec)
	if len(m.Labels) == 0 {
		h.vec.WithLabelValues()
	}
	return h
}

// Observe counts one observation.
func (h *Histogram) Observe(v float64, values ...string) {
	h.vec.WithLabelValues(h.bound.values(values)...).Observe(v)
}

// Moment holds the gauges of one moment. The zero value is ready; one goroutine fills it.
type Moment struct{ gauges []prometheus.Metric }

// Gauge adds the value of a gauge.
func (m *Moment) Gauge(of *Metric, v float64, values ...string) {
	if of.Kind != KindGauge {
		panic(fmt.Sprintf("metric %s is a %s, no gauge", of.Name, of.Kind))
	}
	desc := prometheus.NewDesc(of.Name, of.Help, of.Labels, nil)
	m.gauges = append(m.gauges, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, values...))
}

// With gathers the moment's gauges together with what a registry holds.
func (m *Moment) With(r prometheus.Gatherer) prometheus.Gatherer {
	own := prometheus.NewRegistry()
	own.MustRegister(m)
	return prometheus.Gatherers{r, own}
}

// Describe names nothing beforehand: which gauges there are depends on the moment.
func (m *Moment) Describe(chan<- *prometheus.Desc) {}

// Collect sends the gauges.
func (m *Moment) Collect(out chan<- prometheus.Metric) {
	for _, g := range m.gauges {
		out <- g
	}
}
