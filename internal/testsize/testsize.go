// Package testsize says how much of its table a test plays. By default it is a sample, so that `go test ./...` ends
// within a minute or so: every test runs and can fail. LEADSYNC_TEST=full plays all of it, LEADSYNC_TEST=N too, with N
// random histories wherever histories are random. Which histories and which rows of a table a sample has, the seed
// decides: 1, so that two runs of one tree agree; another with LEADSYNC_SEED=N; a new one each run, printed, with
// LEADSYNC_SEED=random.
package testsize

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// size reads LEADSYNC_TEST: whether tables are played whole, and how many random histories are wanted, 0 = as many as
// the test says.
func size(text string) (full bool, histories int) {
	if text == "full" {
		return true, 0
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return true, n
	}
	return false, 0
}

// Full reports whether tables are played whole.
func Full() bool {
	full, _ := size(os.Getenv("LEADSYNC_TEST"))
	return full
}

// Of is the number of a full run or that of a sample.
func Of(full, sample int) int {
	if Full() {
		return full
	}
	return sample
}

// Histories is how many random histories a test plays.
func Histories(full, sample int) int {
	if _, n := size(os.Getenv("LEADSYNC_TEST")); n > 0 {
		return n
	}
	return Of(full, sample)
}

var seed = sync.OnceValue(func() uint64 {
	text := os.Getenv("LEADSYNC_SEED")
	if text == "random" {
		return 1 + rand.Uint64N(1_000_000)
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return n
	}
	return 1
})

// Seed is where chance begins in this run.
func Seed(t testing.TB) uint64 {
	t.Helper()
	t.Logf("LEADSYNC_SEED=%d plays this again", seed())
	return seed()
}

// Some are all of them in a full run, else n, in their order. Which, the seed decides; neighbouring seeds play all of
// them in turn.
func Some[T any](t testing.TB, all []T, n int) []T {
	t.Helper()
	if Full() || n >= len(all) {
		return all
	}
	return sample(all, n, Seed(t))
}

// sample takes n elements from where the seed says, going round at the end.
func sample[T any](all []T, n int, seed uint64) []T {
	from := int(seed * uint64(n) % uint64(len(all)))
	var chosen []int
	for i := range n {
		chosen = append(chosen, (from+i)%len(all))
	}
	slices.Sort(chosen)
	out := make([]T, n)
	for i, at := range chosen {
		out[i] = all[at]
	}
	return out
}
