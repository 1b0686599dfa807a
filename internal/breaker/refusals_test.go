package breaker_test

import (
	"fmt"
	"testing"

	"leadsync/internal/breaker"
	"leadsync/internal/lead"
)

var rule = breaker.Rule{Code: "MISSING_REQUIRED", Property: "plan"}

// refusedFor are answers about n leads from a number on, all refused for r; the zero rule is none.
func refusedFor(r breaker.Rule, from, n int) []breaker.Answer {
	var all []breaker.Answer
	for i := range n {
		all = append(all, breaker.Answer{Lead: lead.ID(fmt.Sprint(from + i)), Rule: r})
	}
	return all
}

// TestRefusals: which refusals wait and which count, batch after batch, and when the lane pauses.
func TestRefusals(t *testing.T) {
	own := func(answers []breaker.Answer) []breaker.Answer {
		for i := range answers {
			answers[i].OwnValue = true
		}
		return answers
	}
	unasked := func(answers []breaker.Answer, from int) []breaker.Answer {
		for i := range answers[from:] {
			answers[from+i].Unasked = true
		}
		return answers
	}
	type step struct {
		answers []breaker.Answer
		wait    int
		paused  bool
	}
	other := breaker.Rule{Code: "INVALID_OPTION", Property: "city"}
	taken := breaker.Rule{}
	for name, steps := range map[string][]step{
		"nothing was asked":          {{nil, 0, false}},
		"half of a batch":            {{append(refusedFor(rule, 0, 5), refusedFor(taken, 5, 5)...), 0, false}},
		"two bad rows in a trickle":  {{refusedFor(rule, 0, 1), 0, false}, {refusedFor(rule, 1, 1), 0, false}},
		"five in a trickle":          {{refusedFor(rule, 0, 1), 0, false}, {refusedFor(rule, 1, 1), 0, false}, {refusedFor(rule, 2, 2), 0, false}, {refusedFor(rule, 4, 1), 1, true}},
		"two batches":                {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(rule, 10, 10), 10, true}},
		"the same batch again":       {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(rule, 0, 10), 0, false}},
		"another refusal":            {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(other, 10, 10), 10, false}, {refusedFor(other, 20, 10), 10, true}},
		"a success between":          {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(taken, 90, 1), 0, false}, {refusedFor(rule, 10, 10), 10, false}},
		"a success ends it":          {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(rule, 10, 10), 10, true}, {refusedFor(taken, 90, 1), 0, false}},
		"those before it, again":     {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(taken, 90, 1), 0, false}, {refusedFor(rule, 0, 10), 0, false}},
		"bad addresses":              {{own(refusedFor(rule, 0, 4)), 0, false}, {own(refusedFor(rule, 4, 4)), 0, false}},
		"too many bad addresses":     {{own(refusedFor(rule, 0, 5)), 5, false}, {own(refusedFor(rule, 5, 5)), 5, true}},
		"held back in the same":      {{unasked(refusedFor(rule, 0, 10), 4), 10, false}, {unasked(refusedFor(rule, 0, 10), 4), 10, true}},
		"a probe of the pause":       {{refusedFor(rule, 0, 10), 10, false}, {refusedFor(rule, 10, 10), 10, true}, {refusedFor(rule, 0, 1), 1, true}},
		"a bad value in a good time": {{append(own(refusedFor(other, 0, 1)), refusedFor(taken, 1, 20)...), 0, false}},
	} {
		b := quietBreaker()
		r := breaker.NewRefusals(b)
		for i, s := range steps {
			wait := r.Judge(s.answers)
			if paused := b.Status().State == breaker.Paused; len(wait) != s.wait || paused != s.paused {
				t.Errorf("%s, batch %d: %d wait, paused is %v; want %d, %v", name, i+1, len(wait), paused, s.wait, s.paused)
			}
			for _, a := range s.answers {
				if wait[a.Lead] && a.Rule == taken {
					t.Errorf("%s, batch %d: a lead that HubSpot took waits", name, i+1)
				}
			}
		}
	}
}

// TestRuleNamesNoPerson: an application may use an address as a property's name.
func TestRuleNamesNoPerson(t *testing.T) {
	for r, want := range map[breaker.Rule]string{
		{Code: "X"}:                              "X",
		rule:                                     "MISSING_REQUIRED on plan",
		{Code: "X", Property: "ada@example.com"}: "X on (odd name)",
		{Code: "X", Property: "first name_2.a-b"}:   "X on first name_2.a-b",
		{Code: "X", Property: string(longName(99))}: "X on " + string(longName(99)),
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (breaker.Rule{Property: string(longName(500))}).String(); len(got) > 110 {
		t.Errorf("%d bytes of a name are told", len(got))
	}
}

func longName(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return b
}
