package listen

import "time"

// charts are the four of the page.
func charts(samples []Sample, now time.Time) []Chart {
	var limit int64
	if n := len(samples); n > 0 {
		limit = samples[n-1].RequestLimit
	}
	return []Chart{
		draw("Queue", samples, now, counted, 0,
			series{class: "s1", name: "rows waiting", area: true, value: func(all []Sample) (float64, bool) {
				most, known := int64(0), false
				for _, s := range all {
					if s.Pending >= 0 {
						most, known = max(most, s.Pending), true
					}
				}
				return float64(most), known
			}}),
		draw("Latency", samples, now, seconds, 0,
			series{class: "s2", name: "95 %", value: longest(func(s Sample) time.Duration { return s.High })},
			series{class: "s1", name: "half", value: longest(func(s Sample) time.Duration { return s.Middle })}),
		draw("Throughput", samples, now, counted, 0,
			series{class: "s1", name: "settled a minute", area: true, value: mean(func(s Sample) int { return s.Delivered + s.Skipped })},
			series{class: "bad", name: "dead a minute", sparse: true, value: mean(func(s Sample) int { return s.Dead })}),
		draw("Budget", samples, now, counted, float64(limit),
			series{class: "s1", name: "requests a minute", area: true, value: mean(func(s Sample) int { return s.Requests })},
			series{class: "bad", name: "failed", sparse: true, value: mean(func(s Sample) int { return s.Failed })}),
	}
}

// longest is the greatest of a bucket, of minutes in which something was delivered.
func longest(of func(Sample) time.Duration) func([]Sample) (float64, bool) {
	return func(all []Sample) (float64, bool) {
		most, known := time.Duration(0), false
		for _, s := range all {
			if s.Delivered > 0 {
				most, known = max(most, of(s)), true
			}
		}
		return most.Seconds(), known
	}
}

// mean is the average of a bucket.
func mean(of func(Sample) int) func([]Sample) (float64, bool) {
	return func(all []Sample) (float64, bool) {
		sum := 0
		for _, s := range all {
			sum += of(s)
		}
		return float64(sum) / float64(len(all)), true
	}
}
