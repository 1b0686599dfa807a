package breaker

import (
	"maps"
	"slices"
	"sync"

	"leadsync/internal/lead"
)

// Refusals is the refusal breaker. It tells a fault of configuration, or of a rule in the portal, from bad rows: when
// the same refusal meets most of two batches in a row, nothing is dead, the lane pauses and probes with one row a
// minute. Safe for concurrent use.
type Refusals struct {
	lane *Breaker

	mu      sync.Mutex // guards what follows
	suspect Rule
	leads   map[lead.ID]bool // that were refused so since HubSpot last took a row
	proved  map[lead.ID]bool // that were refused before it took another row: refused again, it is their own
	streak  int
	inputs  int
	tripped bool
}

const (
	// ruleLeast is how many rows a refusal must have met before it is taken for a rule: two bad rows in a trickle are two
	// bad rows.
	ruleLeast = 5
	// maxRemembered bounds how many leads are remembered.
	maxRemembered = 1000
)

// NewRefusals returns a refusal breaker that pauses and resumes the lane.
func NewRefusals(lane *Breaker) *Refusals { return &Refusals{lane: lane} }

// Answer is what HubSpot answered about one lead.
type Answer struct {
	Lead lead.ID
	Rule Rule // that the refusal names; zero = HubSpot took it
	// Unasked: it was held back, because others of its batch were refused so.
	Unasked bool
	// OwnValue: the refusal is about a value that the row itself gave, as an address is: a few of them are a few bad
	// values.
	OwnValue bool
}

// Judge looks at the answers of a batch, one a lead, and returns the leads whose refusal must not be acted on yet.
func (r *Refusals) Judge(answers []Answer) (wait map[lead.ID]bool) {
	if len(answers) == 0 {
		return nil
	}
	rule, refused := mostRefused(answers)
	r.mu.Lock()
	defer r.mu.Unlock()
	if rule == (Rule{}) {
		r.clear()
		return nil
	}
	ownValues := !slices.ContainsFunc(refused, func(a Answer) bool { return !a.OwnValue || a.Unasked })
	if ownValues && len(refused) < ruleLeast || r.allProved(refused) {
		return nil
	}
	same, fresh := r.note(rule, refused)
	unasked := slices.ContainsFunc(refused, func(a Answer) bool { return a.Unasked })
	if same && 2*fresh < len(refused) && !r.tripped && !unasked {
		return nil // the same rows once more prove nothing about the others: they are bad
	}
	r.streak++
	r.inputs += len(refused)
	if r.streak >= 2 && r.inputs >= ruleLeast {
		r.tripped = true
		r.lane.Pause("most rows are refused: "+rule.String()+"; mend the property or the rule in HubSpot, or the mapping", fresh > 0)
	} else if len(answers) < ruleLeast && !unasked {
		return nil
	}
	wait = map[lead.ID]bool{}
	for _, a := range refused {
		wait[a.Lead] = true
	}
	return wait
}

// mostRefused is the refusal that more than half of the answers show, and those answers.
func mostRefused(answers []Answer) (Rule, []Answer) {
	byRule := map[Rule][]Answer{}
	for _, a := range answers {
		byRule[a.Rule] = append(byRule[a.Rule], a)
	}
	for rule, alike := range byRule {
		if rule != (Rule{}) && 2*len(alike) > len(answers) {
			return rule, alike
		}
	}
	return Rule{}, nil
}

// clear ends a streak: most rows were taken, or refused for reasons of their own.
func (r *Refusals) clear() {
	if r.tripped {
		r.lane.Resume()
	}
	if len(r.proved) > maxRemembered {
		r.proved = nil
	}
	if r.proved == nil {
		r.proved = map[lead.ID]bool{}
	}
	maps.Copy(r.proved, r.leads)
	r.suspect, r.leads, r.streak, r.inputs, r.tripped = Rule{}, nil, 0, 0, false
}

// note remembers who was refused. same: the batch before was refused so too; fresh is how many are refused so for the
// first time.
func (r *Refusals) note(rule Rule, refused []Answer) (same bool, fresh int) {
	same = r.suspect == rule
	for _, a := range refused {
		if !r.leads[a.Lead] {
			fresh++
		}
	}
	if !same {
		r.suspect, r.leads, r.streak, r.inputs, r.tripped = rule, map[lead.ID]bool{}, 0, 0, false
	}
	if len(r.leads) > maxRemembered {
		r.leads = map[lead.ID]bool{}
	}
	for _, a := range refused {
		if !a.Unasked {
			r.leads[a.Lead] = true
		}
	}
	return same, fresh
}

// allProved reports whether each of them was refused before HubSpot took another row.
func (r *Refusals) allProved(refused []Answer) bool {
	return !slices.ContainsFunc(refused, func(a Answer) bool { return a.Unasked || !r.proved[a.Lead] })
}
