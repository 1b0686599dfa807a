package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Paths of the communication preferences, %s the version. https://github.com/HubSpot/HubSpot-public-api-spec-collection
// (subscriptions, 2026-09, read 2026-11-22).
const (
	pathDefinitions = "/communication-preferences/%s/definitions"
	pathStatuses    = "/communication-preferences/%s/statuses"
)

// Values of SubscriptionStatus. https://github.com/HubSpot/HubSpot-public-api-spec-collection (subscriptions, 2026-09,
// read 2026-11-22). An opt-out belongs to the address and not to the contact: it stays when the contact is deleted and
// is left behind when the address changes (https://legacydocs.hubspot.com/docs/methods/email/update_status, read
// 2026-11-22).
const (
	StatusSubscribed   = "SUBSCRIBED"
	StatusUnsubscribed = "UNSUBSCRIBED"
	StatusNotSpecified = "NOT_SPECIFIED"

	WidePortal       = "PORTAL_WIDE"
	WideBusinessUnit = "BUSINESS_UNIT_WIDE"

	// ReasonNoChange is the Reason of a write that found things as it wants them: success like any other.
	ReasonNoChange = "NO_STATUS_CHANGE"
)

const channelEmail = "EMAIL" // the only channel there is

// SubscriptionStatus is what HubSpot holds about one address, for one subscription type or, with Wide, for all of them.
// Address and Source name people: neither may reach a log.
type SubscriptionStatus struct {
	Address        string
	SubscriptionID int64  // 0 for a wide status
	Status         string // SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED
	Wide           string // PORTAL_WIDE, BUSINESS_UNIT_WIDE, or empty
	BusinessUnitID int64  // 0 = the account's own brand
	At             time.Time
	Reason         string // of a write: why it succeeded
	Source         string // HubSpot's words for where the status came from
}

// LegalBases are the words that Basis.LegalBasis may be. Same description, PartialPublicStatusRequest.
var LegalBases = []string{
	"CONSENT_WITH_NOTICE", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER", "LEGITIMATE_INTEREST_PQL", "NON_GDPR",
	"PERFORMANCE_OF_CONTRACT", "PROCESS_AND_STORE",
}

// Basis is why a status may be set. Both are needed when the account's data privacy settings are on, as
// https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide says (read 2026-11-22); both
// may be empty otherwise.
type Basis struct {
	LegalBasis  string // one of LegalBases
	Explanation string
}

// Evidence is a person's consent: when it was given and where. At and Source must be set; they become part of the
// explanation that HubSpot keeps.
type Evidence struct {
	At     time.Time
	Source string
	Basis  Basis
}

// SubscriptionDefinition is one subscription type of the account.
type SubscriptionDefinition struct {
	ID             int64
	Name           string
	Active         bool
	Default        bool
	Internal       bool
	BusinessUnitID int64
}

// SubscriptionDefinitions lists the account's subscription types, of all brands.
func (c *Client) SubscriptionDefinitions(ctx context.Context) ([]SubscriptionDefinition, error) {
	got, err := c.do(ctx, OpDefinitions, http.MethodGet, fmt.Sprintf(pathDefinitions, c.version), nil)
	if err != nil {
		return nil, err
	}
	list, err := decodeDefinitions(got.body)
	if err != nil {
		return nil, garbled(OpDefinitions, got, err)
	}
	return list, nil
}

// Statuses reads the status of an address for each subscription type. unit 0 means every brand.
func (c *Client) Statuses(ctx context.Context, address string, unit int64) ([]SubscriptionStatus, error) {
	return c.readStatuses(ctx, OpStatuses, address, "", unit)
}

// OptedOutOfAll reads the wide opt-outs of an address: of the account, or of a brand. None means not opted out of all;
// an opt-out of single types does not show here. unit 0 leaves the brand to HubSpot.
func (c *Client) OptedOutOfAll(ctx context.Context, address string, unit int64) ([]SubscriptionStatus, error) {
	list, err := c.readStatuses(ctx, OpOptedOut, address, "/unsubscribe-all", unit)
	// A status that says the person is not opted out would be against the description, and must not be taken for an
	// opt-out.
	return slices.DeleteFunc(list, func(s SubscriptionStatus) bool {
		return s.Status == StatusSubscribed || s.Status == StatusNotSpecified
	}), err
}

func (c *Client) readStatuses(ctx context.Context, op, address, below string, unit int64) ([]SubscriptionStatus, error) {
	path, err := c.statusPath(op, address)
	if err != nil {
		return nil, err
	}
	got, err := c.do(ctx, op, http.MethodGet, path+below+"?"+channelQuery(unit, false), nil)
	if err != nil {
		return nil, err
	}
	list, err := got.filter.statuses(got.body)
	if err == nil && slices.ContainsFunc(list, func(s SubscriptionStatus) bool { return !sameAddress(s.Address, address) }) {
		err = errGarbled // what holds for somebody else decides nothing
	}
	if err != nil {
		return nil, garbled(op, got, err)
	}
	return list, nil
}

// OptOutOfAll opts an address out of all e-mail of the account, or of one brand. The person need not be a contact. It
// gives what HubSpot shows as changed; an answer that shows no UNSUBSCRIBED for the address is an *Error with an
// unknown outcome. unit 0 leaves the brand to HubSpot; with the Brands add-on it must be given.
func (c *Client) OptOutOfAll(ctx context.Context, address string, unit int64) ([]SubscriptionStatus, error) {
	path, err := c.statusPath(OpOptOutOfAll, address)
	if err != nil {
		return nil, err
	}
	// Without verbose an answer of success is empty and proves nothing (the guide named at Basis).
	got, err := c.do(ctx, OpOptOutOfAll, http.MethodPost, path+"/unsubscribe-all?"+channelQuery(unit, true), nil)
	if err != nil {
		return nil, err
	}
	list, err := got.filter.statuses(got.body)
	if err != nil || !shows(list, address, 0, StatusUnsubscribed) {
		return nil, got.unproved(OpOptOutOfAll)
	}
	return list, nil
}

// OptOut opts an address out of one subscription type. An answer that does not show it as UNSUBSCRIBED is an *Error
// with an unknown outcome.
func (c *Client) OptOut(ctx context.Context, address string, subscription int64, b Basis) (SubscriptionStatus, error) {
	return c.setStatus(ctx, OpOptOut, address, subscription, StatusUnsubscribed, b)
}

// OptIn opts an address in to one subscription type, on the evidence of the person's own word. It is the one function
// that can send SUBSCRIBED. HubSpot's dated interface takes it for people who opted out too, and whether it lifts an
// opt-out of all is not documented: the caller reads the status right before. An answer that does not show SUBSCRIBED
// is an *Error with an unknown outcome.
func (c *Client) OptIn(ctx context.Context, address string, subscription int64, e Evidence) (SubscriptionStatus, error) {
	source := strings.TrimSpace(e.Source)
	if e.At.IsZero() || source == "" {
		return SubscriptionStatus{}, misuse(OpOptIn, "no evidence of consent")
	}
	words := "consent given at " + e.At.UTC().Format(time.RFC3339) + ": " + source
	if e.Basis.Explanation != "" {
		words = e.Basis.Explanation + " (" + words + ")"
	}
	return c.setStatus(ctx, OpOptIn, address, subscription, StatusSubscribed, Basis{LegalBasis: e.Basis.LegalBasis, Explanation: words})
}

func (c *Client) setStatus(ctx context.Context, op, address string, subscription int64, status string, b Basis) (SubscriptionStatus, error) {
	path, err := c.statusPath(op, address)
	if err != nil {
		return SubscriptionStatus{}, err
	}
	if subscription <= 0 {
		return SubscriptionStatus{}, misuse(op, "no subscription id")
	}
	if status == StatusSubscribed && op != OpOptIn {
		return SubscriptionStatus{}, misuse(op, "an opt-in without evidence")
	}
	got, err := c.do(ctx, op, http.MethodPost, path, encode(newStatusInput(subscription, status, b)))
	if err != nil {
		return SubscriptionStatus{}, err
	}
	list, err := got.filter.statuses(got.body)
	if err != nil || !shows(list, address, subscription, status) {
		return SubscriptionStatus{}, got.unproved(op)
	}
	i := slices.IndexFunc(list, func(s SubscriptionStatus) bool {
		return s.SubscriptionID == subscription && sameAddress(s.Address, address)
	})
	return list[i], nil
}

// statusInput is the body of a single write of a status, and one row of a batch, which names the address.
type statusInput struct {
	Address        string `json:"subscriberIdString,omitempty"`
	Channel        string `json:"channel"`
	SubscriptionID int64  `json:"subscriptionId"`
	Status         string `json:"statusState"`
	LegalBasis     string `json:"legalBasis,omitempty"`
	Explanation    string `json:"legalBasisExplanation,omitempty"`
}

func newStatusInput(subscription int64, status string, b Basis) statusInput {
	return statusInput{Channel: channelEmail, SubscriptionID: subscription, Status: status, LegalBasis: b.LegalBasis, Explanation: b.Explanation}
}

// statusPath is the path of one address. Everything but letters and digits is escaped: a plus sign must not be read as
// a space.
func (c *Client) statusPath(op, address string) (string, error) {
	if !isAddress(address) {
		return "", misuse(op, "an address that is none")
	}
	escaped := strings.ReplaceAll(url.QueryEscape(address), "+", "%20")
	return fmt.Sprintf(pathStatuses, c.version) + "/" + escaped, nil
}

// isAddress asks for no more than keeps a path and a comparison safe; whether HubSpot takes the address is HubSpot's to
// say.
func isAddress(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && strings.TrimSpace(address) == address
}

func sameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

func channelQuery(unit int64, verbose bool) string {
	query := "channel=" + channelEmail
	if unit > 0 {
		query += "&businessUnitId=" + strconv.FormatInt(unit, 10)
	}
	if verbose {
		query += "&verbose=true"
	}
	return query
}

// shows says whether the list proves the status of an address: for one subscription type, or, for 0, for any and none
// against it.
func shows(list []SubscriptionStatus, address string, subscription int64, status string) bool {
	proved := false
	for _, s := range list {
		if !sameAddress(s.Address, address) || subscription != 0 && s.SubscriptionID != subscription {
			continue
		}
		switch {
		case s.Status == status:
			proved = true
		case s.Status == StatusSubscribed, subscription != 0:
			return false
		}
	}
	return proved
}
