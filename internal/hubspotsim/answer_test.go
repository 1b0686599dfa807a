package hubspotsim

import (
	"strings"
	"testing"
)

// A row's errors is a list in the description, never null, also where a conflict has nothing to list.
func TestRowErrorsAreAList(t *testing.T) {
	for _, detailed := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{DetailedRowErrors: detailed}})
		e := exists(nil)
		got := s.batchAnswer(&answer{c: &call{op: "batch_create"}, refused: []refusedRow{{e, "r1"}}})
		if text := string(got.body); !strings.Contains(text, `"errors":[],`) {
			t.Errorf("detailed %t: %s", detailed, text)
		}
	}
}
