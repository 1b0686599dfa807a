package openapi

import (
	"net/http"
	"strings"
)

// others are the operations that the simulator has for other clients.
func others(s *stage) {
	contacts, properties := "/crm/objects/VERSION/contacts", "/crm/properties/VERSION/contacts"
	id := between(s.send(201, http.MethodPost, contacts, `{"properties":{"email":"ada@example.com","firstname":"Ada"},"associations":[]}`), `"id":"`, `"`)
	other := between(s.send(201, http.MethodPost, contacts, `{"properties":{"email":"grace@example.org"},"associations":[]}`), `"id":"`, `"`)
	s.send(409, http.MethodPost, contacts, `{"properties":{"email":"ada@example.com"},"associations":[]}`)
	s.send(400, http.MethodPost, contacts, `{"properties":{"jobtitle":"x"},"associations":[]}`)
	s.send(200, http.MethodPatch, contacts+"/"+id, `{"properties":{"jobtitle":"Engineer","date_of_birth":"1815-12-10"}}`)
	s.send(404, http.MethodPatch, contacts+"/999999999", `{"properties":{"jobtitle":"x"}}`)
	s.send(200, http.MethodGet, contacts+"/ada@example.com?idProperty=email&properties=email,jobtitle&propertiesWithHistory=jobtitle", "")
	s.send(404, http.MethodGet, contacts+"/nobody", "")
	s.send(200, http.MethodGet, contacts+"?limit=1&properties=email", "")
	s.send(400, http.MethodGet, contacts+"?limit=1000", "")
	search := `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"HAS_PROPERTY"}]}],"sorts":[{"propertyName":"lastmodifieddate","direction":"ASCENDING"}],` +
		`"properties":["email"],"limit":1,"after":"0"}`
	s.send(200, http.MethodPost, contacts+"/search", search)
	s.send(400, http.MethodPost, contacts+"/search", strings.Replace(search, `"after":"0"`, `"after":"x"`, 1))
	s.send(200, http.MethodPost, contacts+"/batch/update", `{"inputs":[]}`)
	s.send(200, http.MethodPost, contacts+"/batch/create", `{"inputs":[]}`)
	s.send(200, http.MethodPost, contacts+"/merge", `{"primaryObjectId":"`+id+`","objectIdToMerge":"`+other+`"}`)
	s.try(http.MethodPost, contacts+"/merge", `{"primaryObjectId":"999999999","objectIdToMerge":"999999998"}`)
	s.send(204, http.MethodPost, contacts+"/batch/archive", `{"inputs":[{"id":"`+other+`"}]}`)
	s.send(204, http.MethodDelete, contacts+"/"+id, "")
	s.send(204, http.MethodPost, contacts+"/gdpr-delete", `{"objectId":"grace@example.org","idProperty":"email"}`)

	def := `{"name":"plan","label":"Plan","groupName":"contactinformation","type":"enumeration","fieldType":"select",` +
		`"options":[{"label":"Pro","value":"pro","displayOrder":0,"hidden":false}]}`
	s.send(201, http.MethodPost, properties, def)
	s.send(409, http.MethodPost, properties, def)
	s.send(200, http.MethodGet, properties+"/plan", "")
	s.send(404, http.MethodGet, properties+"/no_such", "")
	s.send(200, http.MethodPatch, properties+"/plan", `{"label":"Plan of the account"}`)
	s.send(204, http.MethodDelete, properties+"/plan", "")
	s.send(200, http.MethodGet, properties+"?archived=true", "")
	s.send(200, http.MethodGet, "/account-info/VERSION/api-usage/daily/private-apps", "")
}

// between is the text after one mark and before the next.
func between(text, after, before string) string {
	_, rest, _ := strings.Cut(text, after)
	inner, _, _ := strings.Cut(rest, before)
	return inner
}
