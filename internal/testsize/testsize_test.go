package testsize

import (
	"fmt"
	"testing"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]string{"": "false 7 7", "full": "true 70 70", "500": "true 70 500", "0": "false 7 7", "yes": "false 7 7"} {
		t.Setenv("LEADSYNC_TEST", text)
		if got := fmt.Sprint(Full(), Of(70, 7), Histories(70, 7)); got != want {
			t.Errorf("LEADSYNC_TEST=%s: %s, want %s", text, got, want)
		}
	}
}

// A table is played whole by a few seeds in a row, whatever its size and the sample's.
func TestSamplesCoverTheTable(t *testing.T) {
	for size := 1; size < 30; size++ {
		all := make([]int, size)
		for i := range all {
			all[i] = i
		}
		for n := 1; n <= size; n++ {
			seen := map[int]bool{}
			for seed := range (size + n - 1) / n {
				s := sample(all, n, uint64(seed))
				for i, v := range s {
					seen[v] = true
					if i > 0 && s[i-1] >= v {
						t.Errorf("%d of %d: %v is out of order", n, size, s)
					}
				}
			}
			if len(seen) != size {
				t.Errorf("%d of %d: the samples of a few seeds have %d", n, size, len(seen))
			}
		}
	}
	t.Setenv("LEADSYNC_TEST", "full")
	if got := Some(t, []string{"a", "b", "c"}, 1); len(got) != 3 {
		t.Errorf("a full run has %v", got)
	}
}
