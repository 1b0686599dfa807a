package hubspot

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
)

func TestBatchArchive(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	ids := seed(t, c, "ada@example.com", "grace@example.org", "joan@example.net")
	if err := c.BatchArchive(t.Context(), []lead.ContactID{ids["ada@example.com"], ids["grace@example.org"]}); err != nil {
		t.Fatal(err)
	}
	for address, archived := range map[string]bool{"ada@example.com": true, "grace@example.org": true, "joan@example.net": false} {
		one, err := c.Contact(t.Context(), ids[address], nil, archived)
		if err != nil || one.Archived != archived {
			t.Errorf("%s: %+v, %v", address, one, err)
		}
	}
	// Gone already, and never there: neither is an error, and neither keeps the others.
	if err := c.BatchArchive(t.Context(), []lead.ContactID{ids["ada@example.com"], "999999999", ids["joan@example.net"]}); err != nil {
		t.Errorf("gone already: %v", err)
	}
	if _, err := c.Contact(t.Context(), ids["joan@example.net"], nil, true); err != nil {
		t.Errorf("the one beside those that were gone: %v", err)
	}
}

// Only 204, or HubSpot's word that the one id does not exist, says that nothing is left to archive.
func TestBatchArchiveAnswers(t *testing.T) {
	const missing = `{"status":"error","message":"x","category":"OBJECT_NOT_FOUND","context":{"ids":["51"]}}`
	one, two := []lead.ContactID{"51"}, []lead.ContactID{"51", "52"}
	for _, tc := range []struct {
		name    string
		ids     []lead.ContactID
		status  int
		body    string
		class   Class
		unknown bool
	}{
		{"done", two, 204, "", ClassNone, false},
		{"one that does not exist", one, 404, missing, ClassNone, false},
		{"one of two does not exist", two, 404, missing, ClassNotFound, false},
		{"a 404 about the path", one, 404, `{"status":"error","message":"resource not found"}`, ClassNotFound, false},
		{"a 404 of the edge", one, 404, "<html>", ClassTransient, false},
		{"multi-status: gone", two, 207, `{"results":[{"id":"52"}],"errors":[` + missing + `]}`, ClassNone, false},
		{"multi-status: one not named", two, 207, `{"results":[],"errors":[` + missing + `]}`, ClassTransient, true},
		{"multi-status: refused", two, 207, `{"results":[],"errors":[` + missing + `,{"category":"VALIDATION_ERROR","context":{"ids":["52"]}}]}`, ClassTransient, true},
		{"multi-status: unreadable", two, 207, `{"errors":["x"]}`, ClassTransient, true},
		{"200 with nothing in it", two, 200, `{"status":"COMPLETE","results":[]}`, ClassTransient, true},
		{"200 without a body", two, 200, "", ClassTransient, true},
		{"200 with a web page", two, 200, "<html>", ClassTransient, true},
		{"refused", two, 400, `{"category":"VALIDATION_ERROR"}`, ClassInvalid, false},
		{"no scope", two, 403, `{"category":"MISSING_SCOPES"}`, ClassScope, false},
		{"down", two, 502, "<html>", ClassTransient, true},
	} {
		err := answering(t, tc.status, tc.body).BatchArchive(t.Context(), tc.ids)
		if class := Classify(err); class != tc.class || OutcomeUnknown(err) != tc.unknown {
			t.Errorf("%s: class %q, unknown %t: %v", tc.name, class, OutcomeUnknown(err), err)
		}
		if want := tc.status == 404 && tc.class == ClassNotFound; errors.Is(err, ErrNotFound) != want {
			t.Errorf("%s: ErrNotFound %t: %v", tc.name, !want, err)
		}
	}
	// Of the others an empty answer is no success.
	if _, err := answering(t, 204, "").BatchUpdate(t.Context(), inputs(1)); err == nil || !OutcomeUnknown(err) {
		t.Errorf("an update answered 204: %v", err)
	}
}

func TestGDPRDelete(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	id := seed(t, c, "ada@example.com")["ada@example.com"]
	if err := c.GDPRDelete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, archived := range []bool{false, true} {
		if _, err := c.Contact(t.Context(), id, nil, archived); !errors.Is(err, ErrNotFound) {
			t.Errorf("archived %t: %v", archived, err)
		}
	}
	if err := c.GDPRDelete(t.Context(), id); err != nil && !errors.Is(err, ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	var body string
	c = clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(req.Body)
		body = string(raw)
		return reply(req, 404, `{"status":"error","category":"OBJECT_NOT_FOUND"}`), nil
	}))
	if err := c.GDPRDelete(t.Context(), "51"); !errors.Is(err, ErrNotFound) || OutcomeUnknown(err) || body != `{"objectId":"51"}` {
		t.Errorf("unknown id: %v, sent %s", err, body)
	}
	body = ""
	for _, odd := range []lead.ContactID{"", "ada@example.com", "51 "} {
		if err := c.GDPRDelete(t.Context(), odd); !errors.Is(err, ErrMisuse) || strings.Contains(err.Error(), "ada") || body != "" {
			t.Errorf("id %q: %v, sent %s", odd, err, body)
		}
	}
}
