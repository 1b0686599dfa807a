package hubspotsim

import (
	"net/http"
	"strconv"
	"strings"
)

// maxInputs of a batch. https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
const maxInputs = 100

// textNonUnique refuses email and hs_object_id as a batch update's key, and hs_object_id as an upsert's.
// https://github.com/HubSpot/hubspot-api-nodejs/issues/548 and
// https://github.com/segmentio/action-destinations/pull/3957
const textNonUnique = "Unable to perform update/upsert by non-unique 0-1 property"

// outcome is what became of one row. Without a contact it is either missing or, silently, nothing.
type outcome struct {
	c       *contact
	r       *row
	isNew   bool
	missing bool
	written []setting
}

// rowWriter resolves, checks and, unless dry, writes one row.
type rowWriter func(c *call, r *row, dry bool) (outcome, *rowError)

// batchWrite runs a batch create, update or upsert.
//
// One bad input refuses the whole request and nothing is written, unless every input has a unique objectWriteTraceId:
// then the valid rows are written and the others are named in errors[]
// (https://developers.hubspot.com/docs/api-reference/error-handling,
// https://github.com/rudderlabs/rudder-transformer/pull/3308).
func (s *Sim) batchWrite(c *call, write rowWriter) reply {
	if c.noRows {
		return c.emptyAnswer()
	}
	if len(c.rows) > maxInputs {
		return c.badRequest("The maximum number of inputs supported in a batch request is 100. Received " + itoa(len(c.rows)) + ".")
	}
	if c.op != "batch_create" {
		if r, bad := s.badKeys(c); bad {
			return r
		}
	}
	for i := range c.rows {
		switch c.rows[i].poison {
		case "whole400":
			return c.badRequest("Unable to process the request")
		case "whole400named":
			return s.whole(c, []*rowError{s.invalid([]bad{{"email", codeEmail, "Email address is invalid"}})})
		}
	}
	if !c.traced || s.quirks.Whole400 != "" {
		var errs []*rowError
		c.claimed = map[string]bool{}
		for i := range c.rows {
			if r := &c.rows[i]; !r.skip {
				if _, e := write(c, r, true); e != nil {
					errs = append(errs, e)
				}
			}
		}
		c.claimed = nil
		if errs != nil {
			s.stats.Refused += len(c.rows)
			return s.whole(c, errs)
		}
	}
	a := answer{c: c}
	for i := range c.rows {
		r := &c.rows[i]
		if r.skip {
			continue
		}
		out, e := write(c, r, false)
		switch {
		case r.hide:
		case e != nil:
			s.stats.Refused++
			a.refused = append(a.refused, refusedRow{e, r.TraceID})
		case out.missing:
			s.stats.Refused++
			a.missing = append(a.missing, r.ID.text)
		case out.c != nil:
			a.results = append(a.results, out)
		}
	}
	return s.batchAnswer(&a)
}

// badKeys refuses a batch for its ids as a whole, trace ids or not.
func (s *Sim) badKeys(c *call) (reply, bool) {
	seen := make(map[string]bool, len(c.rows))
	var twice []string
	for i := range c.rows {
		id := c.rows[i].ID.text
		key := id
		if s.quirks.DuplicateFoldsCase {
			key = strings.ToLower(id)
		}
		if seen[key] {
			twice = append(twice, id)
		}
		seen[key] = true
		idProperty := orText(c.rows[i].IDProperty, c.idProp)
		if idProperty == "" && c.op == "batch_update" {
			continue
		}
		def := s.usable(idProperty)
		if def == nil || s.unique[def] == nil && (def != s.email || c.op != "batch_upsert") {
			return c.badRequest(textNonUnique), true
		}
	}
	if twice == nil {
		return reply{}, false
	}
	// https://github.com/rudderlabs/rudder-transformer, src/v1/destinations/hs
	return c.refuse(http.StatusBadRequest, problem{
		Message:  "Duplicate IDs found in batch input: [" + strings.Join(twice, ", ") + "]. IDs must be unique",
		Context:  map[string][]string{"ids": twice},
		Category: categoryValidation,
	}), true
}

// whole refuses a request for its rows. The bad values of all rows are in one answer; a conflict names the first
// existing contact only (https://github.com/HubSpot/hubspot-api-python/issues/51).
func (s *Sim) whole(c *call, errs []*rowError) reply {
	if s.quirks.Whole400 == "unnamed" {
		return c.badRequest("Unable to process the request")
	}
	var bads []bad
	for _, e := range errs {
		bads = append(bads, e.bads...)
	}
	e := errs[0]
	if len(bads) > 0 {
		e = s.invalid(bads)
	} else {
		for _, one := range errs {
			if one.status == http.StatusBadRequest {
				e = one
				break
			}
		}
	}
	return c.refuse(e.status, problem{Message: e.message, Errors: e.errors(), Category: e.category})
}

func (s *Sim) createRow(c *call, r *row, dry bool) (outcome, *rowError) {
	sets, e := s.check(c, r, nil)
	if e != nil {
		return outcome{}, e
	}
	if dry {
		// Two inputs with one address: https://github.com/Joystream/youtube-synch/pull/355
		for _, one := range sets {
			if one.value == "" || one.def != s.email && s.unique[one.def] == nil {
				continue
			}
			key := one.def.Name + "=" + one.value
			if c.claimed[key] {
				return outcome{}, exists(nil)
			}
			c.claimed[key] = true
		}
		return outcome{}, nil
	}
	made := s.add(c.now)
	made.fields = make([]field, 0, len(sets)+1)
	s.apply(made, sets, c.now, s.apiSource())
	if s.stage != nil && made.field(s.stage) == nil {
		s.set(made, s.stage, "lead", c.now, s.apiSource()) // seen in captures, github.com/B0yko/booking-truth
	}
	s.stats.Created++
	return outcome{c: made, r: r, isNew: true, written: sets}, nil
}

// writeTo updates a contact.
func (s *Sim) writeTo(c *call, r *row, target *contact, dry bool) (outcome, *rowError) {
	sets, e := s.check(c, r, target)
	if e != nil || dry {
		return outcome{}, e
	}
	if s.apply(target, sets, c.now, s.apiSource()) {
		s.stats.Updated++
	} else {
		s.stats.Unchanged++
	}
	return outcome{c: target, r: r, written: sets}, nil
}

// updateRow is one row of batch update. Without idProperty an id that is no number changes nothing and is no error
// (https://github.com/HubSpot/hubspot-api-nodejs/issues/548), and a merged-away id is missing from the results without
// one (https://github.com/rudderlabs/rudder-transformer).
func (s *Sim) updateRow(c *call, r *row, dry bool) (outcome, *rowError) {
	idProperty := orText(r.IDProperty, c.idProp)
	if idProperty != "" {
		if target := s.byUnique(s.props[idProperty], r.ID.text); target != nil {
			return s.writeTo(c, r, target, dry)
		}
		return outcome{missing: true}, nil
	}
	if target := s.liveID(r.ID.text); target != nil {
		return s.writeTo(c, r, target, dry)
	}
	if _, err := strconv.ParseInt(r.ID.text, 10, 64); err != nil || s.mergedAway(r.ID.text) {
		return outcome{}, nil
	}
	return outcome{missing: true}, nil
}

func (s *Sim) byUnique(def *property, value string) *contact {
	id, ok := s.unique[def][value]
	if !ok {
		return nil
	}
	return s.byID[id]
}

// upsertRow is one row of batch upsert: by address, or by a custom unique property.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
func (s *Sim) upsertRow(c *call, r *row, dry bool) (outcome, *rowError) {
	def := s.usable(orText(r.IDProperty, c.idProp)) // not nil: badKeys has seen it under the same lock
	var target *contact
	if def == s.email {
		target = s.findAddress(r.ID.text, s.quirks.SecondaryMisses)
	} else {
		target = s.byUnique(def, r.ID.text)
	}
	if target != nil {
		if def == s.email && s.quirks.UpsertByEmailBlanks {
			s.blank(r, target)
		}
		return s.writeTo(c, r, target, dry)
	}
	if v, ok := r.Properties[def.Name]; !ok || v.null || v.text == "" {
		if r.Properties == nil {
			r.Properties = map[string]scalar{}
		}
		r.Properties[def.Name] = scalar{text: r.ID.text}
	}
	return s.createRow(c, r, dry)
}

// blank makes a row clear every writable value that it leaves out, under the quirk of that name.
func (s *Sim) blank(r *row, target *contact) {
	for i := range target.fields {
		f := &target.fields[i]
		if _, named := r.Properties[f.def.Name]; named || f.def == s.email || f.def.ReadOnly || f.def.Archived || s.unique[f.def] != nil {
			continue
		}
		if r.Properties == nil {
			r.Properties = map[string]scalar{}
		}
		r.Properties[f.def.Name] = scalar{}
	}
}
