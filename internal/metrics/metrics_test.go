package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	_ "leadsync/internal/testnet"
)

// full is a registry in which every metric of the table has a sample.
func full() prometheus.Gatherer {
	r := NewRegistry()
	var m Moment
	for _, row := range All {
		values := make([]string, len(row.Labels))
		for i, label := range row.Labels {
			values[i] = "a_" + label
		}
		switch row.Kind {
		case KindCounter:
			NewCounter(r, row).Add(1, values...)
		case KindHistogram:
			NewHistogram(r, row).Observe(1, values...)
		default:
			m.Gauge(row, 1, values...)
		}
	}
	return m.With(r)
}

func TestText(t *testing.T) {
	r := NewRegistry()
	settled, waited := NewCounter(r, RowsSettled), NewHistogram(r, DeliverySeconds)
	NewCounter(r, RowsPutOff)
	settled.Add(2, "delivered", "")
	settled.Add(1, "dead", "in\"va\\lid\nx")
	for _, v := range []float64{0.05, 0.1, 0.2, 7, 1e6} {
		waited.Observe(v)
	}
	var m Moment
	m.Gauge(Healthy, 1)
	m.Gauge(Build, 1, "1.2.3")
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(m.With(r), promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text := rec.Body.String()
	for _, want := range []string{
		"# TYPE leadsync_build_info gauge\nleadsync_build_info{version=\"1.2.3\"} 1\n",
		"# TYPE leadsync_healthy gauge\nleadsync_healthy 1\n",
		"# TYPE leadsync_rows_settled_total counter\nleadsync_rows_settled_total{reason=\"\",state=\"delivered\"} 2\n" +
			"leadsync_rows_settled_total{reason=\"in\\\"va\\\\lid\\nx\",state=\"dead\"} 1\n",
		"leadsync_rows_put_off_total 0\n",
		"leadsync_delivery_seconds_bucket{le=\"0.1\"} 2\nleadsync_delivery_seconds_bucket{le=\"0.25\"} 3\n",
		"leadsync_delivery_seconds_bucket{le=\"5\"} 3\nleadsync_delivery_seconds_bucket{le=\"10\"} 4\n",
		"leadsync_delivery_seconds_bucket{le=\"86400\"} 4\nleadsync_delivery_seconds_bucket{le=\"+Inf\"} 5\n" +
			"leadsync_delivery_seconds_sum 1.00000735e+06\nleadsync_delivery_seconds_count 5\n",
		"\ngo_goroutines ", "\nprocess_open_fds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
}

// What is gathered is the table, with its names, kinds, help and labels, and nothing beside it but the runtime's and
// the process's.
func TestGatheredIsTheTable(t *testing.T) {
	families, err := full().Gather()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*Metric{}
	for _, m := range All {
		rows[m.Name] = m
	}
	kinds := map[Kind]dto.MetricType{KindCounter: dto.MetricType_COUNTER, KindGauge: dto.MetricType_GAUGE, KindHistogram: dto.MetricType_HISTOGRAM}
	for _, f := range families {
		row := rows[f.GetName()]
		if row == nil {
			if !strings.HasPrefix(f.GetName(), "go_") && !strings.HasPrefix(f.GetName(), "process_") {
				t.Errorf("%s is not in the table", f.GetName())
			}
			continue
		}
		delete(rows, f.GetName())
		if f.GetHelp() != row.Help || f.GetType() != kinds[row.Kind] {
			t.Errorf("%s: %s, %q", row.Name, f.GetType(), f.GetHelp())
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if !slices.Equal(labels, slices.Sorted(slices.Values(row.Labels))) {
			t.Errorf("%s has the labels %v, want %v", row.Name, labels, row.Labels)
		}
		var bounds []float64
		for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
			bounds = append(bounds, b.GetUpperBound())
		}
		if !slices.Equal(bounds, row.Buckets) {
			t.Errorf("%s has the buckets %v, want %v", row.Name, bounds, row.Buckets)
		}
	}
	for name := range rows {
		t.Errorf("%s is not gathered", name)
	}
}

// Prometheus' own rules for names, units and help.
func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(full())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
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
	r := prometheus.NewRegistry()
	row := &Metric{Name: "test_total", Kind: KindCounter, Help: "A test.", Labels: []string{"reason"}}
	c, h := NewCounter(r, row), NewHistogram(r, RequestSeconds)
	for i := range 1000 {
		c.Add(1, fmt.Sprint(i))
		h.Observe(1, fmt.Sprint(i))
	}
	c.Add(1, "0")
	if n, others := testutil.CollectAndCount(c.vec), testutil.ToFloat64(c.vec.WithLabelValues("other")); n != mostSeries+1 || others != 1000-mostSeries {
		t.Errorf("%d series, %v others", n, others)
	}
	if n := testutil.CollectAndCount(h.vec); n != mostSeries+1 {
		t.Errorf("%d series", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a sample without its label was taken")
		}
	}()
	c.Add(1)
}
