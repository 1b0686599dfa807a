package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The alert rules name metrics and labels that exist.
func TestAlertRules(t *testing.T) {
	b, err := os.ReadFile("../../systemd/leadsync.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(b, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	names := map[string]*Metric{}
	for _, m := range All {
		names[m.Name] = m
		if m.Kind == KindHistogram {
			names[m.Name+"_bucket"], names[m.Name+"_sum"], names[m.Name+"_count"] = m, m, m
		}
	}
	used := regexp.MustCompile(`(leadsync_[a-z_]+)(\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)(=|!=)"`)
	shown := regexp.MustCompile(`\$labels\.([a-z_]+)`)
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			var labels []string
			for _, m := range used.FindAllStringSubmatch(r.Expr, -1) {
				metric := names[m[1]]
				if metric == nil {
					t.Errorf("%s: there is no metric %s", r.Alert, m[1])
					continue
				}
				labels = append(labels, metric.Labels...)
				for _, l := range label.FindAllStringSubmatch(m[3], -1) {
					if !slices.Contains(metric.Labels, l[1]) {
						t.Errorf("%s: %s has no label %s", r.Alert, m[1], l[1])
					}
				}
			}
			for _, text := range r.Annotations {
				for _, l := range shown.FindAllStringSubmatch(text, -1) {
					if l[1] != "instance" && !slices.Contains(labels, l[1]) {
						t.Errorf("%s: its text shows the label %s, which it has not", r.Alert, l[1])
					}
				}
			}
			if !strings.HasPrefix(r.Alert, "Leadsync") || r.Annotations["summary"] == "" || r.Annotations["cure"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s is incomplete", r.Alert)
			}
		}
	}
	if rules < 10 {
		t.Errorf("%d rules", rules)
	}
}
