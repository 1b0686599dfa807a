package hubspot

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"leadsync/internal/lead"
)

// Header names. https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22).
// Search answers carry none of the limit headers, and answers to an OAuth token carry no daily pair.
const (
	headerCorrelation    = "X-Hubspot-Correlation-Id"
	headerInterval       = "X-Hubspot-Ratelimit-Interval-Milliseconds"
	headerMax            = "X-Hubspot-Ratelimit-Max"
	headerRemaining      = "X-Hubspot-Ratelimit-Remaining"
	headerDaily          = "X-Hubspot-Ratelimit-Daily"
	headerDailyRemaining = "X-Hubspot-Ratelimit-Daily-Remaining"
	headerRetryAfter     = "Retry-After"
)

// Categories that decide something. No official list exists; these are seen in the bodies of
// https://developers.hubspot.com/docs/guides/crm/using-object-apis and in public issues (read 2026-11-22).
const (
	categoryMissingScopes = "MISSING_SCOPES"
	categoryValidation    = "VALIDATION_ERROR"
	categoryConflict      = "CONFLICT"
	categoryExists        = "OBJECT_ALREADY_EXISTS"
)

// wireError is every error body HubSpot is known to write; each field may be missing or of another type.
type wireError struct {
	Category      looseText               `json:"category"`
	SubCategory   looseText               `json:"subCategory"` // an object inside batch answers
	Message       looseText               `json:"message"`     // read for codes and the existing id, never kept
	CorrelationID looseText               `json:"correlationId"`
	PolicyName    looseText               `json:"policyName"`
	ErrorType     looseText               `json:"errorType"`
	ID            looseText               `json:"id"`
	Context       looseMap                `json:"context"`
	Errors        looseList[wireSubError] `json:"errors"`
}

type wireSubError struct {
	Code        looseText `json:"code"`
	SubCategory looseText `json:"subCategory"`
	Context     looseMap  `json:"context"`
}

// looseMap is a context: values are lists, or plain texts. It never fails.
type looseMap map[string]looseTexts

func (m *looseMap) UnmarshalJSON(raw []byte) error {
	var inner map[string]looseTexts
	if json.Unmarshal(raw, &inner) != nil {
		inner = nil
	}
	*m = inner
	return nil
}

// looseList drops what is no list and what is no object in it. It never fails.
type looseList[T any] []T

func (l *looseList[T]) UnmarshalJSON(raw []byte) error {
	*l = nil
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil
	}
	for _, item := range items {
		var one T
		if json.Unmarshal(item, &one) == nil {
			*l = append(*l, one)
		}
	}
	return nil
}

// refusal turns an answer that is no 2xx into an error.
func refusal(op string, resp *http.Response, body []byte) error {
	f := filterOf(resp)
	e := &Error{
		Op:            op,
		Status:        resp.StatusCode,
		CorrelationID: f.correlationID(resp.Header),
		RetryAfter:    parseRetryAfter(resp.Header, time.Now()),
		Sent:          true,
		HTML:          isHTML(resp.Header, body),
	}
	var wire wireError
	if !e.HTML && json.Unmarshal(body, &wire) != nil {
		wire = wireError{}
	}
	if e.CorrelationID == "" {
		e.CorrelationID = f.word(wire.CorrelationID)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		policy := f.policy(&wire)
		return &RateLimitError{Op: op, Policy: policy, Daily: policy == PolicyDaily, CorrelationID: e.CorrelationID,
			RetryAfter: policyWait(policy, e.RetryAfter, interval(resp.Header))}
	}
	e.Category, e.SubCategory = f.word(wire.Category), f.word(wire.SubCategory)
	if resp.StatusCode == http.StatusConflict {
		e.ExistingID = existingID(string(wire.Message))
	}
	e.IDs, e.TraceIDs = rowsOf(&wire)
	e.Details = f.details(&wire)
	e.Scopes = f.scopes(&wire)
	if resp.StatusCode == http.StatusBadRequest && (e.Category == categoryValidation || len(e.Details) > 0) {
		return &ValidationError{Refusal: e}
	}
	return e
}

func (f filter) batchErrors(raws []json.RawMessage) []BatchError {
	var list []BatchError
	for _, raw := range raws {
		var wire wireError
		if json.Unmarshal(raw, &wire) != nil {
			continue
		}
		ids, traces := rowsOf(&wire)
		one := BatchError{Category: f.word(wire.Category), TraceIDs: traces, IDs: ids, Details: f.details(&wire)}
		if one.Category == categoryConflict || one.Category == categoryExists {
			one.ExistingID = existingID(string(wire.Message))
		}
		list = append(list, one)
	}
	return list
}

// rowsOf collects the rows an error names: context.ids, context.id, id, and context.objectWriteTraceId.
// https://developers.hubspot.com/docs/api-reference/error-handling, "multi-status errors" (read 2026-11-22).
func rowsOf(wire *wireError) (ids, traces []string) {
	add := func(list []string, more []string) []string {
		for _, one := range more {
			if !slices.Contains(list, one) {
				list = append(list, one)
			}
		}
		return list
	}
	ids = add(add(ids, wire.Context["ids"]), wire.Context["id"])
	if wire.ID != "" {
		ids = add(ids, []string{string(wire.ID)})
	}
	traces = add(traces, wire.Context["objectWriteTraceId"])
	for _, sub := range wire.Errors {
		traces = add(traces, sub.Context["objectWriteTraceId"])
	}
	return ids, traces
}

// details lists codes and property names from errors[], then from the list inside the message, which names all invalid
// properties of the request while errors[] may name one.
// https://developers.hubspot.com/docs/guides/crm/using-object-apis shows both in one body (read 2026-11-22).
func (f filter) details(wire *wireError) []Detail {
	var details []Detail
	add := func(d Detail) {
		if d.Code == "" && len(d.Properties) == 0 {
			return
		}
		if !slices.ContainsFunc(details, func(have Detail) bool {
			return have.Code == d.Code && slices.Equal(have.Properties, d.Properties)
		}) {
			details = append(details, d)
		}
	}
	for _, sub := range wire.Errors {
		code := f.word(sub.Code)
		if code == "" {
			code = f.word(sub.SubCategory)
		}
		add(Detail{Code: code, Properties: f.words(sub.Context["propertyName"])})
	}
	for _, inner := range innerErrors(string(wire.Message)) {
		d := Detail{Code: f.word(inner.Error)}
		if name := f.word(inner.Name); name != "" {
			d.Properties = []string{name}
		}
		add(d)
	}
	return details
}

type innerError struct {
	Error looseText `json:"error"`
	Name  looseText `json:"name"`
}

// innerPrefix begins the messages that hold a list of all invalid properties. Other messages begin with the value that
// was refused, and a value that looks like such a list must not name properties of other rows.
const innerPrefix = "Property values were not valid: "

// innerErrors decodes the JSON list that stands inside some messages, for codes and names only.
func innerErrors(message string) []innerError {
	text, ok := strings.CutPrefix(message, innerPrefix)
	if !ok {
		return nil
	}
	var list looseList[innerError]
	if json.NewDecoder(strings.NewReader(text)).Decode(&list) != nil {
		return nil
	}
	return list
}

func (f filter) scopes(wire *wireError) []string {
	var scopes []string
	for _, sub := range wire.Errors {
		for _, key := range []string{"requiredGranularScopes", "requiredScopes"} {
			for _, scope := range f.words(sub.Context[key]) {
				if !slices.Contains(scopes, scope) {
					scopes = append(scopes, scope)
				}
			}
		}
	}
	return scopes
}

// The id of the contact in the way stands only in the text of a conflict, at its end: whatever stands before it may be
// a value. https://github.com/HubSpot/hubspot-api-nodejs/issues/545 (read 2026-11-22).
var existingPattern = regexp.MustCompile(`Existing ID: (\d{1,20})\D*$`)

func existingID(message string) lead.ContactID {
	if found := existingPattern.FindStringSubmatch(message); found != nil {
		return lead.ContactID(found[1])
	}
	return ""
}

// policy names the limit that a 429 is about, from policyName, else from the message, which is the rule of
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22).
func (f filter) policy(wire *wireError) string {
	if policy := f.word(wire.PolicyName); policy != "" {
		return policy
	}
	switch message := strings.ToLower(string(wire.Message)); {
	case strings.Contains(message, policyDailyMessage):
		return PolicyDaily
	case strings.Contains(message, policySecondMessage):
		return PolicySecondly
	}
	return ""
}
