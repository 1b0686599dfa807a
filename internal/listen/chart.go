package listen

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The plot area of a chart in the units of its viewBox.
const (
	chartWidth  = 480.0
	chartHeight = 120.0
	buckets     = 240 // of six minutes each
	day         = 24 * time.Hour
)

// Chart is one measure over the last day, ready for the template.
type Chart struct {
	Title  string
	Now    string // the present value in words
	Top    string // the label of the highest line
	Half   string
	Lines  []Line
	Limit  string // y of a line that marks a limit; empty = none
	LimitT string // its label
	Ticks  []Tick
	Empty  bool
	Alt    string // what a reader that sees no picture is told
}

// Line is one series.
type Line struct {
	Class string // of the style: s1, s2, bad
	Name  string
	Path  string
	Area  string // the same with a floor; empty for none
}

// Tick is a mark of the time axis.
type Tick struct{ X, Label string }

// series is how a chart reads the samples.
type series struct {
	class, name string
	area        bool
	sparse      bool                           // nought is not drawn: it would lie on the floor
	value       func([]Sample) (float64, bool) // of one bucket; false = nothing known
}

// draw makes a chart of the day that ends now.
func draw(title string, samples []Sample, now time.Time, unit func(float64) string, limit float64, all ...series) Chart {
	c := Chart{Title: title, Empty: true, Ticks: ticks(now)}
	filled := make([][]Sample, buckets)
	for _, s := range samples {
		if i := bucketOf(s.At, now); i >= 0 {
			filled[i] = append(filled[i], s)
		}
	}
	values, top := make([][]float64, len(all)), 0.0
	for n, one := range all {
		values[n] = make([]float64, buckets)
		for i, bucket := range filled {
			values[n][i] = math.NaN()
			if len(bucket) == 0 {
				continue
			}
			if v, known := one.value(bucket); known {
				values[n][i], c.Empty = v, false
				top = max(top, v)
			}
		}
	}
	peak := top
	if limit > 0 && top > limit/3 { // a limit far above everything would press the lines to the floor
		top = max(top, limit)
	}
	top = nice(top)
	c.Top, c.Half = unit(top), unit(top/2)
	if limit > 0 && limit <= top {
		c.Limit, c.LimitT = coordinate(y(limit, top)), "limit "+unit(limit)
	}
	var words []string
	for n, one := range all {
		if last := lastOf(values[n]); !math.IsNaN(last) {
			words = append(words, one.name+" "+unit(last))
		}
		for i, v := range values[n] {
			if one.sparse && v == 0 {
				values[n][i] = math.NaN()
			}
		}
		line := Line{Class: one.class, Name: one.name}
		line.Path, line.Area = path(values[n], top, one.area)
		c.Lines = append(c.Lines, line)
	}
	c.Now = strings.Join(words, ", ")
	c.Alt = fmt.Sprintf("%s over the last 24 hours: at most %s; lately %s", title, unit(peak), c.Now)
	if c.Empty {
		c.Alt = title + ": nothing yet"
	}
	return c
}

func bucketOf(at, now time.Time) int {
	age := now.Sub(at)
	if age < 0 || age >= day {
		return -1
	}
	return buckets - 1 - int(age*buckets/day)
}

func lastOf(values []float64) float64 {
	for i := len(values) - 1; i >= 0; i-- {
		if !math.IsNaN(values[i]) {
			return values[i]
		}
	}
	return math.NaN()
}

func x(i int) float64 { return (float64(i) + 0.5) * chartWidth / buckets }

func y(v, top float64) float64 { return chartHeight * (1 - v/top) }

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// path draws the values as a line that is broken where nothing is known; a value alone is a short stroke.
func path(values []float64, top float64, area bool) (line, filled string) {
	var l, f strings.Builder
	for i := 0; i < len(values); {
		if math.IsNaN(values[i]) {
			i++
			continue
		}
		from := i
		for ; i < len(values) && !math.IsNaN(values[i]); i++ {
			letter := "L"
			if i == from {
				letter = "M"
				fmt.Fprintf(&f, "M%s %s", coordinate(x(i)), coordinate(chartHeight))
			}
			fmt.Fprintf(&l, "%s%s %s", letter, coordinate(x(i)), coordinate(y(values[i], top)))
			fmt.Fprintf(&f, "L%s %s", coordinate(x(i)), coordinate(y(values[i], top)))
		}
		if i == from+1 {
			l.WriteString("h1")
		}
		fmt.Fprintf(&f, "L%s %sZ", coordinate(x(i-1)), coordinate(chartHeight))
	}
	if !area {
		return l.String(), ""
	}
	return l.String(), f.String()
}

// nice is the next of 1, 2, 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// ticks are the full hours of UTC that can be divided by four.
func ticks(now time.Time) []Tick {
	var out []Tick
	for at := now.UTC().Truncate(4 * time.Hour); now.Sub(at) < day-time.Hour; at = at.Add(-4 * time.Hour) {
		if now.Sub(at) < time.Hour {
			continue // its label would stand beyond the edge
		}
		out = append(out, Tick{coordinate(chartWidth * (1 - float64(now.Sub(at))/float64(day))), at.Format("15:04")})
	}
	return out
}

// counted words a number of things.
func counted(v float64) string {
	switch {
	case v >= 1e6:
		return trim(v/1e6) + "M"
	case v >= 1e4:
		return trim(v/1e3) + "k"
	}
	return trim(v)
}

func trim(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// seconds words a duration given in seconds.
func seconds(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v*1000, 'f', 0, 64) + " ms"
	case v < 120:
		return trim(v) + " s"
	case v < 7200:
		return trim(v/60) + " min"
	}
	return trim(v/3600) + " h"
}
