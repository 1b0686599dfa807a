package push

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
)

// brake tells a fault of configuration, or of a rule in the portal, from bad rows: when the same refusal (code and property) meets
// most of two batches in a row, nothing is dead, the lane pauses and probes with one row a minute.
type brake struct {
	mu      sync.Mutex
	suspect refusalKey
	leads   map[lead.ID]bool // that were refused so since HubSpot last took a row
	proved  map[lead.ID]bool // that were refused before it took another row: refused again, it is their own
	streak  int
	inputs  int
	tripped bool
}

const (
	// brakeLeast is how many rows a refusal must have met before it is taken for a rule: two bad rows in a trickle are two bad rows.
	brakeLeast = 5
	// probeEvery is how often a row that was refused is sent again while the brake is on; others go sooner, see probeWait.
	probeEvery = time.Minute
)

// judge looks at the answers of a round and returns the works whose refusal must not be acted on yet.
func (w *Worker) judge(j *job, works []*work) map[*work]bool {
	total := 0
	byKey := map[refusalKey][]*work{}
	for _, k := range works {
		switch k.answer.kind {
		case accepted:
			total++
		case refused, missingContact, heldBack:
			total++
			key := k.answer.refusal.key()
			if k.answer.kind == missingContact {
				key = refusalKey{code: "OBJECT_NOT_FOUND"}
			}
			byKey[key] = append(byKey[key], k)
		}
	}
	if total == 0 {
		return nil
	}
	var most refusalKey
	for key, ks := range byKey {
		if 2*len(ks) > total && (key != refusalKey{}) {
			most = key
		}
	}
	b := &w.brake
	b.mu.Lock()
	defer b.mu.Unlock()
	if most == (refusalKey{}) {
		if b.tripped {
			w.gate.resume(w.now())
		}
		if len(b.proved) > 10*BatchSize {
			b.proved = nil
		}
		if b.proved == nil {
			b.proved = map[lead.ID]bool{}
		}
		maps.Copy(b.proved, b.leads)
		b.suspect, b.leads, b.streak, b.inputs, b.tripped = refusalKey{}, nil, 0, 0, false
		return nil
	}
	if own := ownValue(byKey[most]); own && len(byKey[most]) < brakeLeast || b.allProved(byKey[most]) {
		return nil
	}
	same, fresh := b.suspect == most, 0
	for _, k := range byKey[most] {
		if !b.leads[k.id] {
			fresh++
		}
	}
	if !same {
		b.suspect, b.leads, b.streak, b.inputs, b.tripped = most, map[lead.ID]bool{}, 0, 0, false
	}
	if len(b.leads) > 10*BatchSize {
		b.leads = map[lead.ID]bool{}
	}
	for _, k := range byKey[most] {
		if k.answer.kind != heldBack { // else it was not asked for
			b.leads[k.id] = true
		}
	}
	if again := same && 2*fresh < len(byKey[most]); again && !b.tripped && !heldBackAny(byKey[most]) {
		return nil // the same rows once more prove nothing about the others: they are bad
	}
	b.streak++
	b.inputs += len(byKey[most])
	if b.tripped || b.streak >= 2 && b.inputs >= brakeLeast {
		b.tripped = true
		w.gate.pause("most rows are refused: "+most.String()+"; mend the property or the rule in HubSpot, or the mapping", w.now(), fresh > 0)
	} else if total < brakeLeast && !heldBackAny(byKey[most]) {
		return nil
	}
	held := map[*work]bool{}
	for _, k := range byKey[most] {
		held[k] = true
	}
	return held
}

// allProved reports whether each of the works was refused before HubSpot took another row.
func (b *brake) allProved(works []*work) bool {
	return !slices.ContainsFunc(works, func(k *work) bool { return k.answer.kind == heldBack || !b.proved[k.id] })
}

// ownValue reports whether the refusal is about the value that each row gave, as an address is: a few of them are a few bad values.
func ownValue(works []*work) bool {
	return !slices.ContainsFunc(works, func(k *work) bool {
		return k.answer.kind != refused || !slices.ContainsFunc(k.answer.refusal.details, func(d hubspot.Detail) bool {
			return strings.HasPrefix(d.Code, "INVALID_") && (len(d.Properties) > 0 || d.Code == "INVALID_EMAIL")
		})
	})
}

func heldBackAny(works []*work) bool {
	for _, k := range works {
		if k.answer.kind == heldBack {
			return true
		}
	}
	return false
}
