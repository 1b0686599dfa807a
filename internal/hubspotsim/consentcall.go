package hubspotsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// subscriberRow is one input of an operation on subscriptions; a single operation has one.
type subscriberRow struct {
	Address     scalar `json:"subscriberIdString"`
	Channel     string `json:"channel"`
	ID          int64  `json:"subscriptionId"`
	State       string `json:"statusState"`
	Basis       string `json:"legalBasis"`
	Explanation string `json:"legalBasisExplanation"`

	address    string // as HubSpot keeps it
	skip, hide bool   // not applied, not shown
	poison     string // refused for its address
}

// legalBases are the values of legalBasis; the same description, PublicStatusRequest.
var legalBases = []string{"LEGITIMATE_INTEREST_PQL", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER",
	"PERFORMANCE_OF_CONTRACT", "CONSENT_WITH_NOTICE", "NON_GDPR", "PROCESS_AND_STORE"}

// decodeConsent reads the body of an operation on subscriptions.
func (c *call) decodeConsent() error {
	switch c.op {
	case opStatus:
		var r subscriberRow
		if err := json.Unmarshal(c.body, &r); err != nil {
			return errBody
		}
		r.Address.text = c.id
		c.subscribers = []subscriberRow{r}
	case opStatuses, opAll, opAllRead:
		c.subscribers = []subscriberRow{{Address: scalar{text: c.id}}}
	case opBatchWrite:
		var b struct {
			Inputs []subscriberRow `json:"inputs"`
		}
		if err := json.Unmarshal(c.body, &b); err != nil {
			return errBody
		}
		c.subscribers = b.Inputs
	case opBatchRead, opBatchAll, opBatchAllRead:
		var b struct {
			Inputs []scalar `json:"inputs"`
		}
		if err := json.Unmarshal(c.body, &b); err != nil {
			return errBody
		}
		for _, a := range b.Inputs {
			c.subscribers = append(c.subscribers, subscriberRow{Address: a})
		}
	}
	for i := range c.subscribers {
		r := &c.subscribers[i]
		r.address = normalAddress(r.Address.text)
	}
	return nil
}

// publicStatus is one status on the wire. The nulls are those of the guide's sample
// (https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide, read 2026-11-22).
type publicStatus struct {
	Unit        int64   `json:"businessUnitId"`
	Channel     string  `json:"channel"`
	Address     string  `json:"subscriberIdString,omitempty"`
	ID          int64   `json:"subscriptionId,omitempty"`
	Name        string  `json:"subscriptionName"`
	Status      string  `json:"status"`
	Source      string  `json:"source"`
	Basis       *string `json:"legalBasis"`
	Explanation *string `json:"legalBasisExplanation"`
	Reason      string  `json:"setStatusSuccessReason,omitempty"`
	At          string  `json:"timestamp"`
}

// wideStatus is an opt-out of all e-mail on the wire.
type wideStatus struct {
	Unit    int64  `json:"businessUnitId"`
	Kind    string `json:"wideStatusType"`
	Address string `json:"subscriberIdString,omitempty"`
	Status  string `json:"status"`
	Channel string `json:"channel"`
	At      string `json:"timestamp"`
}

const channelEmail = "EMAIL" // the only one

// status shows where an address stands with a type.
func (s *Sim) status(c *call, address string, of *Subscription, reason string) publicStatus {
	out := publicStatus{Unit: of.BusinessUnitID, Channel: channelEmail, Address: address, ID: of.ID, Name: of.Name,
		Status: s.standing(address, of), Reason: reason, Source: sourceAPI, At: isoTime(c.now)}
	st := s.wideOut(address, of.BusinessUnitID)
	if one := s.subscribers[address]; st == nil && one != nil {
		st = find(one.types, of.ID)
	}
	if st != nil {
		out.At, out.Source = isoTime(st.at), st.source
		if st.basis.Basis != "" {
			out.Basis = &st.basis.Basis
		}
		if st.basis.Explanation != "" {
			out.Explanation = &st.basis.Explanation
		}
	}
	if c.mangle {
		out.Address, out.ID = "", 0
	}
	return out
}

// statuses are an address's states with all active types of one brand, or of all.
func (s *Sim) statuses(c *call, address, reason string) []publicStatus {
	all := []publicStatus{}
	for _, of := range s.subscriptions {
		if unit, one := c.unit(); !of.Inactive && (!one || unit == of.BusinessUnitID) {
			all = append(all, s.status(c, address, of, reason))
		}
	}
	return all
}

// wide are the opt-outs of all e-mail of an address: none says that it is not opted out.
func (s *Sim) wide(c *call, address string) []wideStatus {
	all := []wideStatus{}
	one := s.subscribers[address]
	if one == nil {
		return all
	}
	for _, st := range one.wide {
		unit, named := c.unit()
		if st.status != stateOut || named && st.of != wholePortal && st.of != unit {
			continue
		}
		w := wideStatus{Unit: max(st.of, 0), Kind: "BUSINESS_UNIT_WIDE", Address: address, Status: st.status, Channel: channelEmail, At: isoTime(st.at)}
		if st.of == wholePortal {
			w.Kind = "PORTAL_WIDE"
		}
		if c.mangle {
			w.Address = ""
		}
		all = append(all, w)
	}
	return all
}

// unit is the brand a request names.
func (c *call) unit() (id int64, named bool) {
	text := c.query.Get("businessUnitId")
	id, err := strconv.ParseInt(text, 10, 64)
	return id, text != "" && err == nil
}

// badConsent refuses what no address is to blame for.
func (s *Sim) badConsent(c *call) (reply, bool) {
	unit, named := c.unit()
	switch {
	case c.op != opDefinitions && c.op != opStatus && c.op != opBatchWrite && c.query.Get("channel") != channelEmail:
		return c.badRequest("Query param 'channel' is required and must be one of [EMAIL]"), true
	case c.query.Get("businessUnitId") != "" && (!named || !s.isBrand(unit)):
		return c.badRequest("businessUnitId is not a brand of this account"), true
	case len(s.brands) > 0 && !named && (c.op == opAll || c.op == opBatchAll):
		// With the Brands add-on it must be sent: the guide named above.
		return c.badRequest("businessUnitId is required"), true
	case len(c.subscribers) > maxInputs:
		// HubSpot documents no limit; that of every other batch is the safe one.
		return c.badRequest("The maximum number of inputs supported in a batch request is 100. Received " + itoa(len(c.subscribers)) + "."), true
	}
	return reply{}, false
}

// badSubscriber says why one input is refused, or nil. HubSpot's words for these cases are not documented; the form is
// that of every other error.
func (s *Sim) badSubscriber(c *call, r *subscriberRow) *rowError {
	refuse := func(code, message string) *rowError {
		return &rowError{status: http.StatusBadRequest, category: categoryValidation, message: message, details: []detail{{Message: message, Code: code}}}
	}
	switch {
	case r.poison == "refused":
		return &rowError{status: http.StatusBadRequest, category: categoryValidation, message: "The row cannot be processed"}
	case !validAddress(r.address) || r.poison == "invalid":
		return refuse(codeEmail, "Email address "+r.Address.text+" is invalid")
	case c.op != opStatus && c.op != opBatchWrite:
		return nil
	}
	of := s.subscription(r.ID)
	switch {
	case r.Channel != channelEmail:
		return refuse("INVALID_CHANNEL", "channel must be one of [EMAIL]")
	case r.State != stateIn && r.State != stateOut:
		// No status can be taken back: the guide has no way, and NOT_SPECIFIED is for reading.
		return refuse("INVALID_STATUS", "statusState must be one of [SUBSCRIBED, UNSUBSCRIBED]")
	case of == nil:
		return refuse("INVALID_SUBSCRIPTION", "Subscription "+strconv.FormatInt(r.ID, 10)+" does not exist")
	case of.Inactive:
		return refuse("INACTIVE_SUBSCRIPTION", "Subscription "+strconv.FormatInt(r.ID, 10)+" is not active")
	case r.Basis != "" && !slices.Contains(legalBases, r.Basis):
		return refuse("INVALID_LEGAL_BASIS", "legalBasis "+r.Basis+" is not one of the allowed values")
	case s.quirks.LegalBasisRequired && (r.Basis == "" || r.Explanation == ""):
		return refuse("MISSING_LEGAL_BASIS", "legalBasis and legalBasisExplanation are required in this account")
	}
	return nil
}

// setOne writes one checked input and gives what it came to.
func (s *Sim) setOne(c *call, r *subscriberRow) (publicStatus, *rowError) {
	of := s.subscription(r.ID)
	reason, ok := s.setStatus(r.address, of, r.State, author{sourceAPI, basis{r.Basis, r.Explanation}, c.now})
	if !ok {
		// The words of the v3 refusal:
		// https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/v3/guide
		return publicStatus{}, &rowError{status: http.StatusBadRequest, category: categoryValidation,
			message: "Subscription " + strconv.FormatInt(r.ID, 10) + " for " + r.address + " cannot be updated because they have unsubscribed"}
	}
	return s.status(c, r.address, of, reason), nil
}

// outOfAll opts an address out and gives its states afterwards.
func (s *Sim) outOfAll(c *call, address string) []publicStatus {
	brand, named := c.unit()
	if len(s.brands) == 0 || !named {
		brand = wholePortal
	}
	reason := reasonAll
	if !s.optOutOfAll(address, brand, author{source: sourceAPI, now: c.now}) {
		reason = reasonNone
	}
	return s.statuses(c, address, reason)
}
