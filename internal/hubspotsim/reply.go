package hubspotsim

import (
	"net/http"
	"strconv"
)

// reply is a whole answer, built before a byte of it leaves.
type reply struct {
	status int
	header http.Header // nil = JSON and nothing special
	body   []byte
	// lost: the connection ends before the answer; cut: it ends in the middle of the body.
	lost, cut bool
	stream    func(http.ResponseWriter) error // admin only: writes the body itself
}

// problem is an error body: https://developers.hubspot.com/docs/api-reference/error-handling. Every field is optional.
type problem struct {
	Status   string              `json:"status"`
	Message  string              `json:"message"`
	ID       string              `json:"correlationId,omitempty"`
	Errors   []detail            `json:"errors,omitempty"`
	Context  map[string][]string `json:"context,omitempty"`
	Links    map[string]string   `json:"links,omitempty"`
	Category string              `json:"category,omitempty"`
	Sub      string              `json:"subCategory,omitempty"`
}

// detail is one entry of errors[].
type detail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func (c *call) refuse(status int, p problem) reply {
	p.Status, p.ID = "error", c.correlation
	return reply{status: status, body: mustJSON(p)}
}

// badRequest is a 400 of category VALIDATION_ERROR without names.
func (c *call) badRequest(message string) reply {
	return c.refuse(http.StatusBadRequest, problem{Message: message, Category: categoryValidation})
}

// Categories seen; HubSpot has no list of them.
const (
	categoryValidation = "VALIDATION_ERROR"
	categoryConflict   = "CONFLICT"
	categoryMissing    = "OBJECT_NOT_FOUND"
	categoryScopes     = "MISSING_SCOPES"
)

// notFound is the 404 of a single record: without a category for a number, and OBJECT_NOT_FOUND for anything else.
// Seen in captures, github.com/B0yko/booking-truth.
func (c *call) notFound(id string) reply {
	if _, err := strconv.ParseInt(id, 10, 64); err == nil || c.query.Get("idProperty") != "" {
		return c.refuse(http.StatusNotFound, problem{Message: "resource not found"})
	}
	return c.refuse(http.StatusNotFound, problem{Message: "Object not found.  objectId are usually numeric.", Category: categoryMissing})
}

// unauthorized bodies are those seen in https://github.com/hubspotdev/devslackarchive, 2023-10-30: expiredAt is unix
// ms, 0 = the token is unknown or there is none.
func (c *call) unauthorized(expiredAt int64) reply {
	r := c.refuse(http.StatusUnauthorized, problem{
		Message: "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at " +
			"https://developers.hubspot.com/docs/methods/auth/oauth-overview",
		Category: "INVALID_AUTHENTICATION",
	})
	if expiredAt != 0 {
		r = c.refuse(http.StatusUnauthorized, problem{
			Message:  "The OAuth token used to make this call expired " + agoText(c.now-expiredAt) + " ago.",
			Category: "EXPIRED_AUTHENTICATION",
			Context:  map[string][]string{"expire time": {isoTime(expiredAt)}},
		})
	}
	r.header = http.Header{"X-Hubspot-Auth-Failure": {"401 Unauthorized"}}
	return r
}

// rateBody is the 429: it has errorType and policyName, and no category.
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
type rateBody struct {
	Status    string `json:"status"`
	Message   string `json:"message"`
	ErrorType string `json:"errorType"`
	ID        string `json:"correlationId"`
	Policy    string `json:"policyName"`
	RequestID string `json:"requestId,omitempty"`
	Group     string `json:"groupName,omitempty"`
}

// The policies of a 429.
const (
	policyWindow = "TEN_SECONDLY_ROLLING"
	policyDaily  = "DAILY"
	policySecond = "SECONDLY"
)

// policyOf is the limit that an operation meets first.
func policyOf(op string) string {
	if op == "search" {
		return policySecond
	}
	return policyWindow
}

// limited is a 429. It carries no Retry-After: none is documented for it, and a real one had none
// (https://github.com/hubspotdev/devslackarchive, 2023-06-14).
func (s *Sim) limited(c *call, policy string) reply {
	body := rateBody{Status: "error", ErrorType: "RATE_LIMIT", ID: c.correlation, Policy: policy}
	key := strconv.FormatInt(s.appID, 10) + ":" + strconv.FormatInt(c.hub, 10)
	switch policy {
	case policyDaily:
		body.Message, body.RequestID = "You have reached your daily limit.", c.correlation
	case policySecond:
		body.Message, body.Group = "You have reached your secondly limit.", "publicapi:crm:search:oauth:"+key
	default:
		body.Message, body.Group = "You have reached your ten_secondly_rolling limit.", "publicapi:private_app-api-calls-ten-secondly:"+key
	}
	return reply{status: http.StatusTooManyRequests, body: mustJSON(body)}
}

// page is an HTML error page of the edge. https://github.com/HubSpot/hubspot-api-php/issues/432
func page(status int, title string) reply {
	html := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head>\n<body><center><h1>" + title +
		"</h1></center><hr><center>cloudflare</center></body></html>\n"
	return reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, body: []byte(html)}
}
