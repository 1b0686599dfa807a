package hubspotsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
)

// maxIdentities a record can have after merges. https://developers.hubspot.com/docs/api-reference/error-handling
const maxIdentities = 250

var (
	errNoContact  = errors.New("no such live contact")
	errSameRecord = errors.New("a contact cannot be merged with itself")
	//lint:ignore ST1005 HubSpot's words
	errIdentities = errors.New("Cannot have more than 250 identities on a profile")
)

// mergeRecords makes one record out of two: by default one with a new id, which lists the old ones in
// hs_merged_object_ids; both old ids lead to it from then on
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide). The primary's values win, the
// other fills what the primary lacks, and its addresses become additional ones.
func (s *Sim) mergeRecords(primary, other *contact, now int64, by *source) (*contact, error) {
	switch {
	case primary == nil || other == nil:
		return nil, errNoContact
	case primary == other:
		return nil, errSameRecord
	case len(primary.merged)+len(other.merged)+2 > maxIdentities:
		return nil, errIdentities
	}
	into := &contact{createdAt: min(primary.createdAt, other.createdAt), updatedAt: now, touchedAt: now}
	into.merged = slices.Concat(primary.merged, other.merged)
	into.extra = slices.Clone(primary.extra)
	into.fields = slices.Clone(primary.fields)
	address := s.primary(primary)
	for _, a := range append([]string{s.primary(other)}, other.extra...) {
		if a != "" && address != "" {
			into.extra = append(into.extra, a)
		}
	}
	gone := []*contact{other}
	if s.quirks.MergeKeepsPrimaryID {
		into.id = primary.id
		into.merged = append(into.merged, other.id)
		into.recent = append(slices.Clone(primary.recent), mark{primary.touchedAt, primary.updatedAt})
	} else {
		gone = append(gone, primary)
		into.merged = append(into.merged, primary.id, other.id)
	}
	for _, c := range gone {
		s.forget(c, now)
	}
	if s.quirks.MergeKeepsPrimaryID {
		s.unindex(primary)
		if i, ok := s.position(primary.id); ok {
			s.ordered[i] = into
		}
		s.byID[into.id] = into
		s.live++
		s.changed(now)
	} else {
		into.id = s.nextID
		s.nextID++
		s.insert(into)
	}
	for _, c := range gone {
		s.forward[c.id] = into.id
	}
	for i := range other.fields {
		f := &other.fields[i]
		if v, _ := into.value(f.def); v == "" && f.value != "" {
			s.set(into, f.def, f.value, now, by)
		}
	}
	s.reindex(into)
	s.mail(into, now)
	return into, nil
}

// reindex enters a contact's addresses and unique values.
func (s *Sim) reindex(c *contact) {
	for _, a := range append([]string{s.portal.primary(c)}, c.extra...) {
		if a != "" {
			s.byEmail[a] = c
		}
	}
	for def, index := range s.unique {
		if v, ok := c.value(def); ok && v != "" {
			index[v] = c.id
		}
	}
}

func (s *Sim) mergeCall(c *call) reply {
	var in struct {
		Primary scalar `json:"primaryObjectId"`
		Other   scalar `json:"objectIdToMerge"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return c.badRequest(errBody.Error())
	}
	into, err := s.mergeRecords(s.liveID(in.Primary.text), s.liveID(in.Other.text), c.now, s.apiSource())
	switch {
	case errors.Is(err, errNoContact):
		return c.notFound(in.Primary.text)
	case errors.Is(err, errIdentities):
		return c.refuse(http.StatusRequestURITooLong, problem{Message: err.Error(), Category: categoryValidation})
	case err != nil:
		return c.badRequest(err.Error())
	}
	return reply{status: http.StatusOK, body: s.appendResult(nil, c, &outcome{c: into, isNew: true})}
}

// gdprDelete removes a contact for good, by id or address; an unknown address goes on the blocklist. Contacts that were
// purged are in no list. https://github.com/HubSpot/HubSpot-public-api-spec-collection, contacts
func (s *Sim) gdprDelete(c *call) reply {
	var in struct {
		ID         scalar `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil || in.ID.text == "" {
		return c.badRequest(errBody.Error())
	}
	var found *contact
	if in.IDProperty == "email" {
		s.blocked[normalAddress(in.ID.text)] = true
		found = s.findAddress(in.ID.text, false)
	} else if id, err := strconv.ParseInt(in.ID.text, 10, 64); err == nil {
		found = s.resolve(id)
	}
	switch {
	case found != nil:
		s.purge(found)
	case s.quirks.PurgeMissing404 && in.IDProperty == "":
		return c.notFound(in.ID.text)
	}
	return reply{status: http.StatusNoContent}
}

func (s *Sim) purge(c *contact) {
	for _, a := range append([]string{s.portal.primary(c)}, c.extra...) {
		if a != "" {
			s.blocked[a] = true
		}
	}
	s.forget(c, s.now().UnixMilli())
}
