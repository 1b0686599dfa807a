package hubspotsim

import (
	"net/http"
	"strings"
)

// answer is what a batch comes to.
type answer struct {
	c       *call
	results []outcome
	refused []refusedRow
	missing []string // ids that no contact has
}

type refusedRow struct {
	err   *rowError
	trace string
}

// rowProblem is an entry of errors[] in a batch answer: every key is there, also the empty ones, as captured answers
// have it (https://github.com/airbytehq/airbyte/pull/74725).
type rowProblem struct {
	Status   string              `json:"status"`
	Category string              `json:"category"`
	Message  string              `json:"message"`
	Context  map[string][]string `json:"context"`
	Errors   []detail            `json:"errors"`
	Links    struct{}            `json:"links"`
}

// emptyAnswer is a batch that did nothing: a body without inputs is a silent 200 COMPLETE.
// https://github.com/rudderlabs/rudder-transformer/pull/5147
func (c *call) emptyAnswer() reply {
	if strings.HasPrefix(c.op, "batch_") || consentScopes[c.op] != nil {
		return reply{status: http.StatusOK, body: appendTimes([]byte(`{"status":"COMPLETE","results":[]`), c.now)}
	}
	return reply{status: http.StatusOK, body: []byte("{}")}
}

func appendTimes(b []byte, now int64) []byte {
	at := isoTime(now)
	for _, name := range []string{"startedAt", "completedAt"} {
		b = appendText(appendKey(b, name), at)
	}
	return append(b, '}')
}

// batchAnswer is the body of a batch. The order of results is random: HubSpot promises none
// (https://github.com/HubSpot/hubspot-api-nodejs/issues/190).
func (s *Sim) batchAnswer(a *answer) reply {
	s.rng.Shuffle(len(a.results), func(i, j int) { a.results[i], a.results[j] = a.results[j], a.results[i] })
	b := make([]byte, 0, 256+600*len(a.results))
	b = append(b, `{"status":"COMPLETE","results":[`...)
	for i := range a.results {
		b = s.appendResult(comma(b), a.c, &a.results[i])
	}
	b = append(b, ']')
	status := http.StatusOK
	if a.c.op == "batch_create" {
		status = http.StatusCreated
	}
	if problems := s.rowProblems(a); problems != nil {
		b = append(appendKey(b, "numErrors"), itoa(len(problems))...)
		b = append(appendKey(b, "errors"), mustJSON(problems)...)
		// Both are documented: https://developers.hubspot.com/docs/guides/crm/using-object-apis says 207, the 2026-09
		// description has no such answer.
		if !s.quirks.Partial200 {
			status = http.StatusMultiStatus
		}
	}
	return reply{status: status, body: appendTimes(b, a.c.now)}
}

func (s *Sim) rowProblems(a *answer) []rowProblem {
	var all []rowProblem
	for _, r := range a.refused {
		p := rowProblem{Status: "error", Category: r.err.category, Message: r.err.message,
			Context: map[string][]string{"objectWriteTraceId": {r.trace}}, Errors: []detail{}}
		if s.quirks.DetailedRowErrors || r.err.details != nil {
			p.Errors = append(p.Errors, r.err.errors()...) // none of a conflict: [], not null
		}
		all = append(all, p)
	}
	if a.missing != nil {
		// One entry for all of them: https://github.com/HubSpot/hubspot-api-php/issues/619
		all = append(all, rowProblem{Status: "error", Category: categoryMissing, Errors: []detail{},
			Message: "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
			Context: map[string][]string{"ids": a.missing}})
	}
	return all
}

// appendResult appends one contact of an answer to a write or read.
func (s *Sim) appendResult(b []byte, c *call, out *outcome) []byte {
	b = append(b, '{')
	noID := c.mangle || out.r != nil && out.r.noID
	if !noID {
		b = appendText(appendKey(b, "id"), out.c.idText())
	}
	b = append(appendKey(b, "properties"), '{')
	for _, def := range s.show(c, out) {
		if noID && def.Name == "hs_object_id" {
			continue
		}
		b = s.appendProperty(b, c, def, out.c)
	}
	b = append(b, '}')
	if len(c.history) > 0 {
		b = s.appendHistory(appendKey(b, "propertiesWithHistory"), c.history, out.c)
	}
	b = appendText(appendKey(b, "createdAt"), isoTime(out.c.createdAt))
	updated := out.c.updatedAt
	if c.seen != nil {
		updated = c.seen.modified
	}
	b = appendText(appendKey(b, "updatedAt"), isoTime(updated))
	b = appendBool(appendKey(b, "archived"), out.c.archivedAt != 0)
	if out.c.archivedAt != 0 {
		b = appendText(appendKey(b, "archivedAt"), isoTime(out.c.archivedAt))
	}
	if c.op == "batch_upsert" {
		b = appendBool(appendKey(b, "new"), out.isNew)
	}
	if s.quirks.TraceOnSuccess && out.r != nil && out.r.TraceID != "" {
		b = appendText(appendKey(b, "objectWriteTraceId"), out.r.TraceID)
	}
	if out.r != nil && len(out.r.warnings) > 0 {
		b = append(appendKey(b, "warnings"), '[')
		for _, w := range out.r.warnings {
			// https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement: context is a map of plain strings.
			b = append(comma(b), mustJSON(map[string]any{
				"category": "PROPERTY_VALUE_NORMALIZED",
				"context":  map[string]string{"normalizedValue": w.normal, "propertyName": w.name, "rawValue": w.raw},
				"message":  "The value of " + w.name + " was normalized",
			})...)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

// appendProperty appends one value, null when it was never set.
func (s *Sim) appendProperty(b []byte, c *call, def *property, of *contact) []byte {
	b = appendKey(b, def.Name)
	v, ok := def.read(&s.portal, of)
	if c.seen != nil {
		v = s.indexed(def, of, c.seen)
		ok = ok && v != ""
	}
	if ok {
		return appendText(b, v)
	}
	return append(b, "null"...)
}

// show lists the properties that an answer gives: those asked for, of which unknown ones are left out silently, or the
// default ones; a create shows everything the contact has, and an update what it wrote.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
func (s *Sim) show(c *call, out *outcome) []*property {
	defs := make([]*property, 0, 16)
	addNew := func(def *property) {
		if def == nil || def.Archived {
			return
		}
		for _, have := range defs {
			if have == def {
				return
			}
		}
		defs = append(defs, def)
	}
	write := writes[c.op]
	names := defaultShown
	if !write && len(c.shown) > 0 {
		names = alwaysShown
	}
	for _, name := range names {
		addNew(s.props[name])
	}
	switch {
	case !write:
		for _, name := range c.shown {
			addNew(s.props[name])
		}
	case out.isNew:
		for i := range out.c.fields {
			addNew(out.c.fields[i].def)
		}
		for _, def := range s.system {
			if v, ok := def.read(&s.portal, out.c); ok && v != "" {
				addNew(def)
			}
		}
	case !s.quirks.DefaultsOnly:
		for _, one := range out.written {
			addNew(one.def)
		}
	}
	return defs
}

// alwaysShown come with every reading, asked for or not, in captured answers.
var alwaysShown = []string{"createdate", "hs_object_id", "lastmodifieddate"}

// appendHistory appends propertiesWithHistory, newest value first
// (https://github.com/HubSpot/HubSpot-public-api-spec-collection, ValueWithTimestamp).
func (s *Sim) appendHistory(b []byte, names []string, c *contact) []byte {
	b = append(b, '{')
	for _, name := range names {
		def := s.usable(name)
		if def == nil {
			continue
		}
		f := c.field(def)
		if f == nil {
			continue
		}
		b = append(appendKey(b, name), '[')
		all := append([]version{f.version}, f.older...)
		for _, v := range all[:min(len(all), historyDepth)] {
			b = append(comma(b), '{')
			b = appendText(appendKey(b, "value"), v.value)
			b = appendText(appendKey(b, "timestamp"), isoTime(v.at))
			b = appendText(appendKey(b, "sourceType"), v.by.kind)
			b = append(appendText(appendKey(b, "sourceId"), v.by.id), '}')
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
