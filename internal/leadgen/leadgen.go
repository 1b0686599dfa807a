// Package leadgen invents leads for the demo, the benchmarks and the tests: names from word lists in a dozen scripts,
// odd but valid addresses at the reserved example domains, and telephone numbers from ranges kept free for fiction.
//
// It guarantees that one seed always gives the same leads, that no two leads of a generator share an address in lower
// case, and that no address leaves example.com, example.org and example.net. It does not make broken leads: those who
// test refusals write them by hand.
//
// Design: lead i is computed from the seed and i alone, so a million leads need no memory, two processes agree on lead
// 4711 without talking, and a test can name the one that failed. The rejected way, one random stream, changes every
// later lead when one word is added to a list in the middle of a run.
package leadgen

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"

	"leadsync/internal/lead"
)

// Lead is one invented lead as an application would hold it.
type Lead struct {
	ID lead.ID
	// Email is valid, but not normalised: some are written with capitals.
	Email string
	// Properties is flat, under HubSpot's own property names; every value is a string. The caller owns it.
	Properties map[string]any
}

// JSON returns the properties as the text of the properties column, keys sorted.
func (l Lead) JSON() string {
	b, err := json.Marshal(l.Properties)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// Generator makes leads. Safe for concurrent use; New makes one.
type Generator struct{ seed uint64 }

// New returns the generator of a seed. Any seed is fine, 0 too.
func New(seed uint64) *Generator { return &Generator{seed: seed} }

// Leads yields leads 0 to n-1.
func (g *Generator) Leads(n int) iter.Seq[Lead] {
	return func(yield func(Lead) bool) {
		for i := range n {
			if !yield(g.Lead(i)) {
				return
			}
		}
	}
}

// Lead returns lead i, i >= 0. Its id is "lead-" and i+1.
func (g *Generator) Lead(i int) Lead {
	r := g.random(i, 0)
	s := scripts[pickScript(r)]
	first, last := pick(r, s.first), pick(r, s.last)
	company := pick(r, companyFirst) + " " + pick(r, companySecond) + " " + pick(r, companyKind)
	place := pick(r, places)
	return Lead{
		ID:    lead.ID("lead-" + strconv.Itoa(i+1)),
		Email: address(r, i),
		Properties: map[string]any{
			"firstname": adorn(r, first),
			"lastname":  last,
			"company":   company,
			"jobtitle":  pick(r, jobs),
			"phone":     phone(r),
			"city":      place.city,
			"country":   place.country,
			"zip":       fmt.Sprintf("%05d", r.IntN(100000)),
			"website":   "https://www.example.com/" + strings.ToLower(strings.ReplaceAll(company, " ", "-")),
		},
	}
}

// Update returns what changes for lead i in a round, round >= 1: a job title and a telephone number. Another round
// gives other numbers with near certainty.
func (g *Generator) Update(i, round int) map[string]any {
	r := g.random(i, round)
	return map[string]any{"jobtitle": pick(r, jobs), "phone": phone(r)}
}

// random is the source of lead i in a round. The constant spreads neighbouring numbers over the state.
func (g *Generator) random(i, round int) *rand.Rand {
	return rand.New(rand.NewPCG(g.seed, (uint64(i)+uint64(round)<<40)*0x9e3779b97f4a7c15+1))
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// pickScript gives half of the leads Latin letters and shares the rest among all scripts.
func pickScript(r *rand.Rand) int {
	if r.IntN(2) == 0 {
		return 0
	}
	return r.IntN(len(scripts))
}

// adorn makes one name in twelve awkward: emoji with joiners, quotes, direction marks, separators of CSV and JSON.
func adorn(r *rand.Rand, name string) string {
	if r.IntN(12) > 0 {
		return name
	}
	return fmt.Sprintf(pick(r, adornments), name)
}

// address builds a local part from words and marks. It ends in an underscore and the number of the lead in base 36,
// which makes it unique whatever stands before.
func address(r *rand.Rand, i int) string {
	a, b, n := pick(r, localWords), pick(r, localWords), strconv.FormatInt(int64(i), 36)
	var local string
	switch r.IntN(12) {
	case 0:
		local = a + "+" + b + "_" + n
	case 1:
		local = "o'" + a + "_" + n
	case 2:
		local = a + pick(r, oddMarks) + b + "_" + n
	case 3:
		local = a[:1] + "." + b + "_" + n
	case 4:
		local = strings.ToUpper(a[:1]) + a[1:] + "." + strings.ToUpper(b) + "_" + n
	case 5:
		local = "_" + a + "-" + b + "_" + n
	default:
		local = a + "." + b + "_" + n
	}
	return local + "@" + pick(r, domains)
}

func phone(r *rand.Rand) string { return fmt.Sprintf(pick(r, phones), r.IntN(100)) }
