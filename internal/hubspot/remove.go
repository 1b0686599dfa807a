package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"leadsync/internal/lead"
)

// categoryNotFound is how HubSpot names an id that nobody has. https://github.com/HubSpot/hubspot-api-php/issues/619
// (read 2026-11-22).
const categoryNotFound = "OBJECT_NOT_FOUND"

// BatchArchive puts up to 100 contacts into HubSpot's recycle bin, where a person can restore them for 90 days. An id
// that is gone already is not an error. HubSpot answers 204 for the whole and names no single row; should it name
// refused rows all the same, that is an *Error with an unknown outcome.
func (c *Client) BatchArchive(ctx context.Context, ids []lead.ContactID) error {
	texts := make([]string, len(ids))
	for i, id := range ids {
		if digits(string(id)) == "" {
			return misuse(OpBatchArchive, "an id that is no number")
		}
		texts[i] = string(id)
	}
	if err := checkIDs(OpBatchArchive, texts); err != nil {
		return err
	}
	got, err := c.do(ctx, OpBatchArchive, http.MethodPost, fmt.Sprintf(pathContacts, c.version)+"/batch/archive", encode(inputsOf[idInput]{idInputs(texts)}))
	if err != nil {
		if e, ok := errors.AsType[*Error](asNotFound(err)); ok && e.Status == http.StatusNotFound && e.Category == categoryNotFound && len(ids) == 1 {
			return nil // of several ids one answer could not say which were archived
		}
		return err
	}
	if got.status == http.StatusNoContent {
		return nil
	}
	return got.archived(texts)
}

// archived looks at a 2xx that should have been 204: it must name every id, as done or as one that does not exist. An
// answer without results is what HubSpot gives to a body that it read nothing in
// (https://github.com/rudderlabs/rudder-transformer/pull/5147, read 2026-11-22).
func (a *answer) archived(ids []string) error {
	result, err := a.filter.batch(a.body)
	if err != nil {
		return garbled(OpBatchArchive, a, err)
	}
	named := map[string]bool{}
	for _, one := range result.Results {
		named[string(one.ID)] = true
	}
	failed := &Error{Op: OpBatchArchive, Status: a.status, CorrelationID: a.correlationID, Sent: true, Err: errNoEvidence}
	for _, one := range result.Errors {
		if one.Category != categoryNotFound {
			failed.Category, failed.Details, failed.IDs = one.Category, one.Details, one.IDs
			return failed
		}
		for _, id := range one.IDs {
			named[id] = true
		}
	}
	for _, id := range ids {
		if !named[id] {
			return failed
		}
	}
	return nil
}

// GDPRDelete deletes a contact for good, by its record id only: by the address of somebody HubSpot does not know it
// would put that address on the account's blocklist, and a merged or shared address may belong to another person.
// HubSpot may take up to 30 days to purge
// (https://knowledge.hubspot.com/privacy-and-consent/how-do-i-perform-a-gdpr-delete-in-hubspot, read 2026-11-22). An id
// that is not there is an error that matches ErrNotFound, or success: which of the two HubSpot answers is not
// documented. Success is 204; another 2xx proves nothing and is an *Error with an unknown outcome.
func (c *Client) GDPRDelete(ctx context.Context, id lead.ContactID) error {
	if digits(string(id)) == "" {
		return misuse(OpGDPRDelete, "an id that is no number")
	}
	body := encode(struct {
		ID lead.ContactID `json:"objectId"`
	}{id})
	got, err := c.do(ctx, OpGDPRDelete, http.MethodPost, fmt.Sprintf(pathContacts, c.version)+"/gdpr-delete", body)
	if err != nil {
		return asNotFound(err)
	}
	if got.status != http.StatusNoContent {
		return got.unproved(OpGDPRDelete)
	}
	return nil
}
