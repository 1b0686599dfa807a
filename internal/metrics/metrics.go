// Package metrics counts what the daemon does and writes it in Prometheus' text format.
//
// Guarantee: every metric that is written stands in the table All, with its help and its labels, so that the README's table and the
// alert rules can be held against it; a sample with other labels than its metric's is a defect and panics in the first test that meets
// it. No label holds a person: values are words of this program (states, reasons, operations, classes), never text of an application or
// of HubSpot, and their number is bounded.
//
// It serves no HTTP and asks nobody: who scrapes brings the gauges of the moment.
//
// Design: a counter, a histogram and a writer of two hundred lines. github.com/prometheus/client_golang was rejected for its weight
// (2.5 MB and nine modules for thirty numbers), an older light package for being older than two years.
package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
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

// key joins label values; none of them can hold the separator.
func (m *Metric) key(values []string) string {
	if len(values) != len(m.Labels) {
		panic(fmt.Sprintf("metric %s has labels %v, got %d values", m.Name, m.Labels, len(values)))
	}
	return strings.Join(values, "\x00")
}

func (m *Metric) values(key string) []string {
	if len(m.Labels) == 0 {
		return nil
	}
	return strings.Split(key, "\x00")
}

// mostSeries bounds the label values of one metric; what comes beyond is counted under "other".
const mostSeries = 200

// Counter only rises. Safe for concurrent use.
type Counter struct {
	metric *Metric
	mu     sync.Mutex
	series map[string]float64
}

// NewCounter makes a counter of a metric of the table.
func NewCounter(m *Metric) *Counter { return &Counter{metric: m, series: map[string]float64{}} }

// Add raises the counter of the label values.
func (c *Counter) Add(n float64, values ...string) {
	key := c.metric.key(values)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.series[key]; !known && len(c.series) >= mostSeries {
		key = other(len(values))
	}
	c.series[key] += n
}

// Sum is what all series have counted together.
func (c *Counter) Sum() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n float64
	for _, v := range c.series {
		n += v
	}
	return n
}

func other(labels int) string {
	return strings.TrimSuffix(strings.Repeat("other\x00", labels), "\x00")
}

// Histogram counts observations by size. Safe for concurrent use.
type Histogram struct {
	metric *Metric
	mu     sync.Mutex
	series map[string]*bars
}

type bars struct {
	counts []uint64 // by bucket; the last one is beyond all
	sum    float64
}

// NewHistogram makes a histogram of a metric of the table.
func NewHistogram(m *Metric) *Histogram { return &Histogram{metric: m, series: map[string]*bars{}} }

// Observe counts one observation.
func (h *Histogram) Observe(v float64, values ...string) {
	key := h.metric.key(values)
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.series[key]
	if b == nil {
		if len(h.series) >= mostSeries {
			key = other(len(values))
		}
		if b = h.series[key]; b == nil {
			b = &bars{counts: make([]uint64, len(h.metric.Buckets)+1)}
			h.series[key] = b
		}
	}
	i, _ := slices.BinarySearch(h.metric.Buckets, v)
	b.counts[i]++
	b.sum += v
}
