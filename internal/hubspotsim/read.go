package hubspotsim

import (
	"net/http"
	"strconv"
)

// batchRead gives contacts by id, by address or by a unique property. Ids that no contact has are named together in one
// error (https://github.com/HubSpot/hubspot-api-php/issues/619); one id twice gives one result.
func (s *Sim) batchRead(c *call) reply {
	if c.noRows {
		return c.emptyAnswer()
	}
	if len(c.rows) > maxInputs {
		return c.badRequest("The maximum number of inputs supported in a batch request is 100. Received " + itoa(len(c.rows)) + ".")
	}
	archived := c.query.Get("archived") == "true"
	def := s.usable(c.idProp)
	if c.idProp != "" && (def == nil || def != s.email && s.unique[def] == nil) && c.idProp != "hs_object_id" {
		return c.badRequest("Unable to read by non-unique 0-1 property")
	}
	a := answer{c: c}
	given := map[*contact]bool{}
	for i := range c.rows {
		r := &c.rows[i]
		if r.skip || r.hide {
			continue
		}
		found := s.find(c, r.ID.text, def, archived)
		switch {
		case found == nil:
			a.missing = append(a.missing, r.ID.text)
		case !given[found]:
			given[found] = true
			s.stats.Read++
			a.results = append(a.results, outcome{c: found, r: r})
		}
	}
	return s.batchAnswer(&a)
}

// find is the contact of one batch read key.
func (s *Sim) find(c *call, key string, def *property, archived bool) *contact {
	var found *contact
	switch {
	case def == nil || def.Name == "hs_object_id":
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return nil
		}
		found = s.byID[id]
		if found == nil && s.quirks.ReadFollowsMerges {
			found = s.resolve(id)
		}
	case def == s.email && archived:
		return s.archived[normalAddress(key)].where(true, c.now)
	case def == s.email:
		return s.findAddress(key, s.quirks.SecondaryMisses)
	default:
		found = s.byUnique(def, key)
	}
	return found.where(archived, c.now)
}

// where gives the contact only when it is where it is looked for: among the live ones, or in the recycle bin.
func (c *contact) where(archived bool, now int64) *contact {
	switch {
	case c == nil, archived && !c.binned(now), !archived && c.archivedAt != 0:
		return nil
	}
	return c
}

// one finds the contact of a single GET or PATCH: by id, following merges; by address, additional ones included
// (https://integrate.hubspot.com/t/email-or-pk-for-contact-api/11846); by a unique property.
func (s *Sim) one(c *call, archived bool) *contact {
	var found *contact
	switch idProperty := c.query.Get("idProperty"); idProperty {
	case "", "hs_object_id":
		id, err := strconv.ParseInt(c.id, 10, 64)
		if err != nil {
			return nil
		}
		found = s.resolve(id)
	case "email":
		if archived {
			return s.archived[normalAddress(c.id)].where(true, c.now)
		}
		return s.findAddress(c.id, false)
	default:
		found = s.byUnique(s.usable(idProperty), c.id)
	}
	return found.where(archived, c.now)
}

func (s *Sim) get(c *call) reply {
	found := s.one(c, c.query.Get("archived") == "true")
	if found == nil {
		return c.notFound(c.id)
	}
	s.stats.Read++
	return reply{status: http.StatusOK, body: s.appendResult(nil, c, &outcome{c: found})}
}

// list pages through contacts by id; after is the id of the next record
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide).
func (s *Sim) list(c *call) reply {
	const pageMax, historyMax = 100, 50
	most := pageMax
	if len(c.history) > 0 {
		most = historyMax
	}
	limit := 10
	if q := c.query.Get("limit"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil || n < 1 || n > most {
			return c.badRequest("limit must be between 1 and " + itoa(most))
		}
		limit = n
	}
	var from int64
	if q := c.query.Get("after"); q != "" {
		n, err := strconv.ParseInt(q, 10, 64)
		if err != nil {
			return c.badRequest("after is not a paging cursor")
		}
		from = n
	}
	archived := c.query.Get("archived") == "true"
	b := []byte(`{"results":[`)
	i, _ := s.position(from)
	next := int64(0)
	for ; i < len(s.ordered); i++ {
		found := s.ordered[i]
		if found.where(archived, c.now) == nil {
			continue
		}
		if limit == 0 {
			next = found.id
			break
		}
		limit--
		s.stats.Read++
		b = s.appendResult(comma(b), c, &outcome{c: found})
	}
	b = append(b, ']')
	if next != 0 {
		b = append(appendKey(b, "paging"), mustJSON(map[string]any{"next": map[string]string{"after": strconv.FormatInt(next, 10)}})...)
	}
	return reply{status: http.StatusOK, body: append(b, '}')}
}
