package metrics

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ContentType is that of the text format.
// https://prometheus.io/docs/instrumenting/exposition_formats/ (read 2026-11-24)
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Scrape gathers the samples of one moment. The zero value is ready; one goroutine uses it.
type Scrape struct{ samples map[*Metric][]sample }

type sample struct {
	suffix string
	labels []string // name, value, name, value, ...
	value  float64
}

func (s *Scrape) add(m *Metric, one sample) {
	if s.samples == nil {
		s.samples = map[*Metric][]sample{}
	}
	s.samples[m] = append(s.samples[m], one)
}

// Gauge adds the value of a gauge.
func (s *Scrape) Gauge(m *Metric, v float64, values ...string) {
	m.key(values)
	s.add(m, sample{labels: pairs(m.Labels, values), value: v})
}

// Counter adds all series of a counter.
func (s *Scrape) Counter(c *Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(c.series)) {
		s.add(c.metric, sample{labels: pairs(c.metric.Labels, c.metric.values(key)), value: c.series[key]})
	}
	if len(c.metric.Labels) == 0 && len(c.series) == 0 {
		s.add(c.metric, sample{})
	}
}

// Histogram adds all series of a histogram.
func (s *Scrape) Histogram(h *Histogram) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(h.series)) {
		b, labels := h.series[key], pairs(h.metric.Labels, h.metric.values(key))
		var n uint64
		for i, count := range b.counts {
			n += count
			le := "+Inf"
			if i < len(h.metric.Buckets) {
				le = number(h.metric.Buckets[i])
			}
			s.add(h.metric, sample{"_bucket", append(slices.Clone(labels), "le", le), float64(n)})
		}
		s.add(h.metric, sample{"_sum", labels, b.sum})
		s.add(h.metric, sample{"_count", labels, float64(n)})
	}
}

func pairs(names, values []string) []string {
	out := make([]string, 0, 2*len(names))
	for i, name := range names {
		out = append(out, name, values[i])
	}
	return out
}

// Write writes the samples in the order of the table.
func (s *Scrape) Write(out io.Writer) error {
	w := bufio.NewWriter(out)
	for _, m := range All {
		samples := s.samples[m]
		if len(samples) == 0 {
			continue
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.Name, escapeHelp.Replace(m.Help), m.Name, m.Kind)
		for _, one := range samples {
			w.WriteString(m.Name + one.suffix)
			for i := 0; i < len(one.labels); i += 2 {
				open := ","
				if i == 0 {
					open = "{"
				}
				w.WriteString(open + one.labels[i] + `="` + escapeLabel.Replace(one.labels[i+1]) + `"`)
			}
			if len(one.labels) > 0 {
				w.WriteByte('}')
			}
			w.WriteString(" " + number(one.value) + "\n")
		}
	}
	return w.Flush()
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
