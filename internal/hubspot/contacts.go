package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"leadsync/internal/lead"
)

// MaxBatch is the most inputs of one batch request; 101 are refused.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide (read 2026-11-22).
const MaxBatch = 100

// MaxBatchHistory is the most ids of one batch read with history. HubSpot says only that its pages are smaller then; 50
// is what https://github.com/estuary/connectors (source-hubspot-native, object_with_associations.py) uses (read
// 2026-11-22).
const MaxBatchHistory = 50

// Paths of the dated API, %s the version. https://github.com/HubSpot/HubSpot-public-api-spec-collection (contacts,
// properties and account info, 2026-09, read 2026-11-22).
const (
	pathAccount    = "/account-info/%s/details"
	pathProperties = "/crm/properties/%s/contacts"
	pathContacts   = "/crm/objects/%s/contacts"
)

// Account asks which account the token belongs to.
func (c *Client) Account(ctx context.Context) (Account, error) {
	got, err := c.do(ctx, OpAccount, http.MethodGet, fmt.Sprintf(pathAccount, c.version), nil)
	if err != nil {
		return Account{}, err
	}
	account, err := decodeAccount(got.body)
	if err != nil {
		return Account{}, garbled(OpAccount, got, err)
	}
	return account, nil
}

// ContactProperties lists the definitions of all contact properties that are not archived.
func (c *Client) ContactProperties(ctx context.Context) ([]Property, error) {
	got, err := c.do(ctx, OpProperties, http.MethodGet, fmt.Sprintf(pathProperties, c.version), nil)
	if err != nil {
		return nil, err
	}
	properties, err := decodeProperties(got.body)
	if err != nil {
		return nil, garbled(OpProperties, got, err)
	}
	return properties, nil
}

// BatchCreate makes new contacts. Input.ID is not sent.
func (c *Client) BatchCreate(ctx context.Context, inputs []Input) (*BatchResult, error) {
	return c.write(ctx, OpBatchCreate, "create", "", inputs)
}

// BatchUpdate changes contacts by their record id. HubSpot answers an id that was merged away with neither a result nor
// an error.
func (c *Client) BatchUpdate(ctx context.Context, inputs []Input) (*BatchResult, error) {
	return c.write(ctx, OpBatchUpdate, "update", "", inputs)
}

// BatchUpsert creates or changes contacts by the value of idProperty, which must be unique in the portal. A property
// that is left out of an upsert by "email" may not keep its value: the same guide says that partial upserts are not
// supported there.
func (c *Client) BatchUpsert(ctx context.Context, idProperty string, inputs []Input) (*BatchResult, error) {
	if idProperty == "" {
		return nil, misuse(OpBatchUpsert, "no id property")
	}
	return c.write(ctx, OpBatchUpsert, "upsert", idProperty, inputs)
}

func (c *Client) write(ctx context.Context, op, verb, idProperty string, inputs []Input) (*BatchResult, error) {
	if err := checkInputs(op, inputs); err != nil {
		return nil, err
	}
	path := fmt.Sprintf(pathContacts, c.version) + "/batch/" + verb
	got, err := c.do(ctx, op, http.MethodPost, path, encodeWrite(op, idProperty, inputs))
	if err != nil {
		return nil, err
	}
	return batchResult(op, got)
}

// ReadRequest asks for up to 100 contacts.
type ReadRequest struct {
	IDProperty string   // empty = record id; "email" finds secondary addresses too
	IDs        []string // values of the id property
	Properties []string // empty = HubSpot's default set
	Archived   bool     // true = only archived contacts
	History    []string // properties whose earlier values are asked for too; then at most MaxBatchHistory ids
}

// BatchRead reads contacts. One that does not exist is named by an OBJECT_NOT_FOUND entry of Errors, or by nothing. An
// answer that would be over 16 MiB is asked for in parts, each a request of its own.
func (c *Client) BatchRead(ctx context.Context, r ReadRequest) (*BatchResult, error) {
	if err := checkIDs(OpBatchRead, r.IDs); err != nil {
		return nil, err
	}
	if len(r.History) > 0 && len(r.IDs) > MaxBatchHistory {
		return nil, misuse(OpBatchRead, fmt.Sprintf("%d ids with history, over %d", len(r.IDs), MaxBatchHistory))
	}
	return c.readLighter(ctx, r)
}

func (c *Client) readAtOnce(ctx context.Context, r ReadRequest) (*BatchResult, error) {
	path := fmt.Sprintf(pathContacts, c.version) + "/batch/read?archived=" + boolText(r.Archived)
	got, err := c.do(ctx, OpBatchRead, http.MethodPost, path, encodeRead(r))
	if err != nil {
		return nil, err
	}
	return batchResult(OpBatchRead, got)
}

// Contact reads one contact by its record id and follows merges: the answer's ID may be another one. A contact that is
// not there is an error that matches ErrNotFound. Properties whose names do not fit into one address, or whose values
// not into one answer, are asked for in several requests.
func (c *Client) Contact(ctx context.Context, id lead.ContactID, properties []string, archived bool) (*Contact, error) {
	if digits(string(id)) == "" {
		return nil, misuse(OpContact, "an id that is no number") // an address has no business in a URL
	}
	return c.contactInParts(ctx, id, properties, archived)
}

func (c *Client) contact(ctx context.Context, id lead.ContactID, properties []string, archived bool) (*Contact, error) {
	query := url.Values{"archived": {boolText(archived)}}
	if len(properties) > 0 {
		query.Set("properties", strings.Join(properties, ","))
	}
	path := fmt.Sprintf(pathContacts, c.version) + "/" + url.PathEscape(string(id)) + "?" + query.Encode()
	got, err := c.do(ctx, OpContact, http.MethodGet, path, nil)
	if err != nil {
		return nil, asNotFound(err)
	}
	contact, err := decodeContact(got.body)
	if err != nil {
		return nil, garbled(OpContact, got, err)
	}
	return contact, nil
}

// asNotFound puts ErrNotFound under a 404 of HubSpot itself; a web page with that status says nothing about a contact.
func asNotFound(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && !e.HTML {
		e.Err = ErrNotFound
	}
	return err
}

func batchResult(op string, got *answer) (*BatchResult, error) {
	result, err := got.filter.batch(got.body)
	if err != nil {
		return nil, garbled(op, got, err)
	}
	result.Status = got.status
	result.CorrelationID = got.correlationID
	result.Date = got.date
	return result, nil
}

func garbled(op string, got *answer, err error) error {
	return &Error{Op: op, Status: got.status, CorrelationID: got.correlationID, Sent: true, Err: err}
}

// checkInputs holds the rules of design section 1.4 for a batch write. HubSpot would refuse the whole batch for a
// double id (https://developers.hubspot.com/docs/api-reference/error-handling), and needs a trace id on every input to
// refuse single rows.
func checkInputs(op string, inputs []Input) error {
	traces := make(map[string]struct{}, len(inputs))
	ids := make([]string, len(inputs))
	for i, in := range inputs {
		if in.TraceID == "" {
			return misuse(op, "an input without a trace id")
		}
		traces[in.TraceID] = struct{}{}
		ids[i] = in.ID
	}
	if len(traces) != len(inputs) {
		return misuse(op, "a trace id twice")
	}
	if op == OpBatchCreate {
		return checkCount(op, len(inputs))
	}
	return checkIDs(op, ids)
}

// checkIDs compares in lower case: HubSpot's own case folding is not documented.
func checkIDs(op string, ids []string) error {
	if err := checkCount(op, len(ids)); err != nil {
		return err
	}
	seen := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		if id == "" {
			return misuse(op, "an input without an id")
		}
		seen[strings.ToLower(id)] = struct{}{}
	}
	if len(seen) != len(ids) {
		return misuse(op, "an id twice")
	}
	return nil
}

func checkCount(op string, n int) error {
	switch {
	case n == 0:
		return misuse(op, "no inputs")
	case n > MaxBatch:
		return misuse(op, fmt.Sprintf("%d inputs, over %d", n, MaxBatch))
	}
	return nil
}

func misuse(op, what string) error {
	return &Error{Op: op, Err: fmt.Errorf("%w: %s", ErrMisuse, what)}
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
