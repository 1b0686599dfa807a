package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	settled, waited := NewCounter(RowsSettled), NewHistogram(DeliverySeconds)
	settled.Add(2, "delivered", "")
	settled.Add(1, "dead", "in\"va\\lid\nx")
	for _, v := range []float64{0.05, 0.1, 0.2, 7, 1e6} {
		waited.Observe(v)
	}
	var s Scrape
	s.Histogram(waited)
	s.Counter(settled)
	s.Counter(NewCounter(RowsPutOff))
	s.Gauge(Healthy, 1)
	s.Gauge(Build, 1, "1.2.3")
	var out strings.Builder
	if err := s.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# TYPE leadsync_build_info gauge\nleadsync_build_info{version=\"1.2.3\"} 1\n",
		"# TYPE leadsync_healthy gauge\nleadsync_healthy 1\n",
		"# TYPE leadsync_rows_settled_total counter\nleadsync_rows_settled_total{state=\"dead\",reason=\"in\\\"va\\\\lid\\nx\"} 1\nleadsync_rows_settled_total{state=\"delivered\",reason=\"\"} 2\n",
		"leadsync_rows_put_off_total 0\n",
		"leadsync_delivery_seconds_bucket{le=\"0.1\"} 2\nleadsync_delivery_seconds_bucket{le=\"0.25\"} 3\n",
		"leadsync_delivery_seconds_bucket{le=\"5\"} 3\nleadsync_delivery_seconds_bucket{le=\"10\"} 4\n",
		"leadsync_delivery_seconds_bucket{le=\"86400\"} 4\nleadsync_delivery_seconds_bucket{le=\"+Inf\"} 5\nleadsync_delivery_seconds_sum 1.00000735e+06\nleadsync_delivery_seconds_count 5\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in\n%s", want, out.String())
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? [-+0-9.eInf]+)$`)
	for l := range strings.Lines(out.String()) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("no line of the format: %q", l)
		}
	}
}

// The table is complete and keeps to Prometheus' rules for names. No label could hold a person.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range All {
		if seen[m.Name] {
			t.Errorf("%s stands there twice", m.Name)
		}
		seen[m.Name] = true
		if !regexp.MustCompile(`^leadsync_[a-z_]+$`).MatchString(m.Name) || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: %q", m.Name, m.Help)
		}
		if (m.Kind == KindCounter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if (m.Kind == KindHistogram) != (len(m.Buckets) > 0) || !slices.IsSorted(m.Buckets) {
			t.Errorf("%s has buckets %v", m.Name, m.Buckets)
		}
		for _, l := range m.Labels {
			if !slices.Contains([]string{"version", "state", "code", "lane", "reason", "op", "class", "stream"}, l) {
				t.Errorf("%s: what does the label %s hold?", m.Name, l)
			}
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	c, h := NewCounter(DeadRowsTest), NewHistogram(RequestSeconds)
	for i := range 1000 {
		c.Add(1, fmt.Sprint(i))
		h.Observe(1, fmt.Sprint(i))
	}
	if len(c.series) > mostSeries+1 || c.series["other"] != 1000-mostSeries || c.Sum() != 1000 {
		t.Errorf("%d series, %v others, %v in all", len(c.series), c.series["other"], c.Sum())
	}
	if len(h.series) > mostSeries+1 {
		t.Errorf("%d series", len(h.series))
	}
	defer func() {
		if recover() == nil {
			t.Error("a sample without its label was taken")
		}
	}()
	c.Add(1)
}

var DeadRowsTest = &Metric{Name: "test_total", Kind: KindCounter, Labels: []string{"reason"}}
