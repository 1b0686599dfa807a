package hubspotsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Subscription is a subscription type of the account, in HubSpot's own words
// (https://developers.hubspot.com/docs/api-reference/2026-03/communication-preferences/guide, read 2026-11-22).
type Subscription struct {
	// ID is a number that fits into 32 bits: the 2026-09 description has both widths. 0 = the next free one.
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Inactive bool   `json:"inactive,omitempty"`
	Default  bool   `json:"default,omitempty"`
	Internal bool   `json:"internal,omitempty"`
	// BusinessUnitID is the brand: 0 or one of Config.Brands.
	BusinessUnitID int64 `json:"business_unit_id"`
}

// defaultSubscriptions are those of a new account; the ids follow from the seed.
func defaultSubscriptions() []Subscription {
	return []Subscription{{Name: "Marketing Information"}, {Name: "Customer Service Communication"}, {Name: "One to One", Default: true, Internal: true}}
}

// optoutProperty is the contact property "Opted out of email: NAME" of a subscription type, as a dump of a portal's
// properties has it (index id 42134930125).
func optoutProperty(id int64) string { return "hs_email_optout_" + strconv.FormatInt(id, 10) }

// subscribeTo adds subscription types and the contact properties that show them.
func (p *portal) subscribeTo(types []Subscription, brands []int64, firstID, now int64) error {
	p.brands = brands
	for _, one := range types {
		switch {
		case one.Name == "":
			return errors.New("define subscription type: the name is empty")
		case one.ID < 0 || one.ID > 1<<31-1:
			return fmt.Errorf("define subscription type %s: id %d is not a positive 32-bit number", one.Name, one.ID)
		case !p.isBrand(one.BusinessUnitID):
			return fmt.Errorf("define subscription type %s: there is no brand %d", one.Name, one.BusinessUnitID)
		case one.ID == 0:
			one.ID = firstID + int64(len(p.subscriptions))
		}
		if p.subscription(one.ID) != nil {
			return fmt.Errorf("define subscription type %s: id %d is there already", one.Name, one.ID)
		}
		p.subscriptions = append(p.subscriptions, &one)
		p.addProperty(&property{hubspotDefined: true, createdAt: now, updatedAt: now, optout: &one,
			computed: func(p *portal, c *contact) string { return yes(p.standing(p.primary(c), &one) == stateOut) },
			Property: Property{Name: optoutProperty(one.ID), Label: "Opted out of email: " + one.Name, GroupName: "contactinformation",
				Type: "bool", FieldType: "booleancheckbox", ReadOnly: true, Options: yesNo}})
	}
	return nil
}

// yesNo are the options of a property that shows an opt-out.
var yesNo = []Option{{Label: "Yes", Value: "true"}, {Label: "No", Value: "false", DisplayOrder: 1}}

// yes is how a contact shows an opt-out: "true", or nothing.
func yes(out bool) string {
	if out {
		return "true"
	}
	return ""
}

func (p *portal) subscription(id int64) *Subscription {
	i := slices.IndexFunc(p.subscriptions, func(one *Subscription) bool { return one.ID == id })
	if i < 0 {
		return nil
	}
	return p.subscriptions[i]
}

func (p *portal) isBrand(id int64) bool { return id == 0 || slices.Contains(p.brands, id) }

// Subscriptions are the first account's subscription types. The caller owns the list.
func (s *Sim) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Subscription, len(s.subscriptions))
	for i, one := range s.subscriptions {
		all[i] = *one
	}
	return all
}

// The operations below /communication-preferences/VERSION. A fault script names all of them as subscriptions.
const (
	opDefinitions  = "sub_definitions"    // GET  definitions
	opStatuses     = "sub_read"           // GET  statuses/ADDRESS
	opStatus       = "sub_write"          // POST statuses/ADDRESS
	opAllRead      = "sub_all_read"       // GET  statuses/ADDRESS/unsubscribe-all
	opAll          = "sub_all"            // POST statuses/ADDRESS/unsubscribe-all
	opBatchRead    = "sub_batch_read"     // POST statuses/batch/read
	opBatchWrite   = "sub_batch_write"    // POST statuses/batch/write
	opBatchAll     = "sub_batch_all"      // POST statuses/batch/unsubscribe-all
	opBatchAllRead = "sub_batch_all_read" // POST statuses/batch/unsubscribe-all/read
)

// The scopes of communication preferences. The batch ones come with Marketing Hub Enterprise only
// (https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide, read 2026-11-22).
const (
	scopeConsent           = "communication_preferences.read_write"
	scopeConsentRead       = "communication_preferences.read"
	scopeConsentWrite      = "communication_preferences.write"
	scopeConsentBatchRead  = "communication_preferences.statuses.batch.read"
	scopeConsentBatchWrite = "communication_preferences.statuses.batch.write"
)

// consentScopes are the scopes of which one admits each operation: security of each in
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, subscriptions 2026-09, read 2026-11-22.
var consentScopes = map[string][]string{
	opDefinitions:  {scopeConsentRead, scopeConsent},
	opStatuses:     {scopeConsentRead, scopeConsent},
	opAllRead:      {scopeConsentRead, scopeConsent},
	opStatus:       {scopeConsentWrite, scopeConsent},
	opAll:          {scopeConsentWrite, scopeConsent},
	opBatchRead:    {scopeConsentBatchRead},
	opBatchAllRead: {scopeConsentBatchRead},
	opBatchWrite:   {scopeConsentBatchWrite},
	opBatchAll:     {scopeConsentBatchWrite},
}

// consentWrites are the operations that change a status.
var consentWrites = map[string]bool{opStatus: true, opAll: true, opBatchWrite: true, opBatchAll: true}

// consentVersions are the path segments that speak this form; the v3 one is another API.
var consentVersions = map[string]api{"2026-09": api202609, "2026-03": api202603, "v4": apiV3}

// routeConsent finds the operation of a path below /communication-preferences. An address goes into call.id.
func routeConsent(method string, seg []string) (*call, int) {
	v, ok := consentVersions[seg[1]]
	if !ok {
		return nil, http.StatusNotFound
	}
	at := func(get, post string) (*call, int) {
		op := map[string]string{http.MethodGet: get, http.MethodPost: post}[method]
		if op == "" {
			return nil, http.StatusMethodNotAllowed
		}
		return &call{op: op, api: v, id: seg[min(3, len(seg)-1)]}, 0
	}
	rest := strings.Join(seg[2:], "/")
	switch {
	case rest == "definitions":
		return at(opDefinitions, "")
	case rest == "statuses/batch/read":
		return at("", opBatchRead)
	case rest == "statuses/batch/write":
		return at("", opBatchWrite)
	case rest == "statuses/batch/unsubscribe-all":
		return at("", opBatchAll)
	case rest == "statuses/batch/unsubscribe-all/read":
		return at("", opBatchAllRead)
	case seg[2] != "statuses" || len(seg) < 4:
		return nil, http.StatusNotFound
	case len(seg) == 4:
		return at(opStatuses, opStatus)
	case len(seg) == 5 && seg[4] == "unsubscribe-all":
		return at(opAllRead, opAll)
	}
	return nil, http.StatusNotFound
}
