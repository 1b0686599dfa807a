package listen

import (
	"slices"
	"sync"
	"time"
)

// SampleEvery is the time between two samples, and Kept how many are kept: a day.
const (
	SampleEvery = time.Minute
	Kept        = 24 * 60
)

// Sample is one minute. Counts are of that minute.
type Sample struct {
	At        time.Time
	Pending   int64 // rows that wait at its end; -1 = not known
	Delivered int
	Skipped   int
	Dead      int
	// Middle and High are the median and the 95th percentile of how long delivered rows had waited; 0 when none was
	// delivered.
	Middle, High time.Duration
	Requests     int
	Failed       int // of the requests
	// RequestLimit is how many requests a minute leadsync allows itself, 0 = no limit.
	RequestLimit int64
}

// History is a ring of samples. Safe for concurrent use; the zero value is empty.
type History struct {
	mu   sync.Mutex
	ring []Sample
	next int
}

// Add puts a sample in the place of the oldest.
func (h *History) Add(s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ring) < Kept {
		h.ring = append(h.ring, s)
		return
	}
	h.ring[h.next] = s
	h.next = (h.next + 1) % Kept
}

// All gives the samples, the oldest first.
func (h *History) All() []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.ring[h.next:], h.ring[:h.next])
}

// Percentile is the value below which the part p of the durations lies; 0 of none. It sorts them.
func Percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(p*float64(len(all))))]
}
