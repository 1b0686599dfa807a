package hubspotsim

import (
	"fmt"
	"strconv"
	"strings"
)

// Bulk is many contacts that a person imports at one moment.
type Bulk struct {
	Count int `json:"count"`
	// Properties of each; {n} in a value is the contact's number, from First on. At least one of email, firstname and
	// lastname is needed, and a value must fit as it stands.
	Properties map[string]string `json:"properties"`
	First      int               `json:"first"`
	// At is when they were made, unix ms; 0 = now. Step is added for each one, in ms: 0 puts all of them on one
	// millisecond.
	At   int64 `json:"at"`
	Step int64 `json:"step"`
	// Quiet leaves them out of Changes.
	Quiet bool `json:"quiet"`
}

// Import makes many contacts, and gives the ids of the first and the last; those between have the ids between. It stops
// at the first one that is refused.
func (s *Sim) Import(b Bulk) (first, last string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := b.At
	if at == 0 {
		at = s.now().UnixMilli()
	}
	before := len(s.changes)
	properties := make(map[string]string, len(b.Properties))
	for i := range b.Count {
		n := strconv.Itoa(b.First + i)
		for name, v := range b.Properties {
			properties[name] = strings.ReplaceAll(v, "{n}", n)
		}
		c, err := s.personCreates(properties, at)
		if err != nil {
			return first, last, fmt.Errorf("import contact %s: %w", n, err)
		}
		last = c.idText()
		if first == "" {
			first = last
		}
		if at += b.Step; b.Quiet {
			s.changes = s.changes[:before]
		}
	}
	return first, last, nil
}

// EditAll changes every live contact at one moment, as HubSpot's own jobs do at the end of a month
// (https://github.com/airbytehq/airbyte/issues/43317), and gives how many they were. {n} in a value is the contact's
// id.
func (s *Sim) EditAll(properties map[string]string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, n := s.now().UnixMilli(), 0
	mine := make(map[string]string, len(properties))
	for _, c := range s.ordered {
		if c.archivedAt != 0 {
			continue
		}
		for name, v := range properties {
			mine[name] = strings.ReplaceAll(v, "{n}", c.idText())
		}
		sets, err := s.personSets(mine, c)
		if err != nil {
			return n, fmt.Errorf("edit contact %s: %w", c.idText(), err)
		}
		s.personWrites(c, sets, now)
		n++
	}
	return n, nil
}
