package hubspotsim

import "net/http"

// single runs a create or update of one contact.
func (s *Sim) single(c *call, write rowWriter) reply {
	r := &c.rows[0]
	switch {
	case r.poison == "whole400":
		return c.badRequest("Unable to process the request")
	case r.poison == "whole400named":
		return s.whole(c, []*rowError{s.invalid([]bad{{"email", codeEmail, "Email address is invalid"}})})
	case r.skip:
		return c.emptyAnswer()
	}
	out, e := write(c, r, false)
	switch {
	case e != nil:
		s.stats.Refused++
		return s.whole(c, []*rowError{e})
	case out.missing:
		return c.notFound(c.id)
	case r.hide:
		return c.emptyAnswer()
	}
	status := http.StatusOK
	if c.op == "create" {
		status = http.StatusCreated
	}
	return reply{status: status, body: s.appendResult(nil, c, &out)}
}

// patchRow is a PATCH by id, which follows merges as GET does, by address or by a unique property.
func (s *Sim) patchRow(c *call, r *row, dry bool) (outcome, *rowError) {
	target := s.one(c, false)
	if target == nil {
		return outcome{missing: true}, nil
	}
	return s.writeTo(c, r, target, dry)
}

// archiveOne puts a contact into the recycle bin. An id that is already there, or that nobody has, is a 204 too.
func (s *Sim) archiveOne(c *call) reply {
	if c.rows[0].skip {
		return reply{status: http.StatusNoContent}
	}
	if found := s.liveID(c.id); found != nil {
		s.portal.archive(found, c.now)
	}
	return reply{status: http.StatusNoContent}
}

// batchArchive takes record ids only.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
func (s *Sim) batchArchive(c *call) reply {
	if len(c.rows) > maxInputs {
		return c.badRequest("The maximum number of inputs supported in a batch request is 100. Received " + itoa(len(c.rows)) + ".")
	}
	for i := range c.rows {
		if found := s.liveID(c.rows[i].ID.text); found != nil && !c.rows[i].skip {
			s.portal.archive(found, c.now)
		}
	}
	return reply{status: http.StatusNoContent}
}
