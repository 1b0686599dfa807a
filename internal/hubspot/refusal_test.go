package hubspot

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"leadsync/internal/lead"
)

// What must never come out of an error: addresses and values as HubSpot's messages repeat them.
var planted = []string{"planted", "@example.com", "Planted Person"}

// The bodies follow the published and captured ones; addresses and values are replaced by planted ones.
// https://developers.hubspot.com/docs/guides/crm/using-object-apis,
// https://developers.hubspot.com/docs/api-reference/error-handling,
// https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement,
// https://github.com/HubSpot/hubspot-api-nodejs/issues/545 (all read 2026-11-22).
func TestG9RefusalBodies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		class  Class
		want   Error // without Op, Status, Sent
	}{
		{
			name: "unknown property, with the list inside the message", status: 400,
			body: `{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Property \\\"testproperty\\\" does not exist planted@example.com\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"testproperty\",\"localizedErrorMessage\":\"planted\",\"portalId\":123},{\"isValid\":false,\"message\":\"planted was not one of the allowed options\",\"error\":\"INVALID_OPTION\",\"name\":\"plan\"}]",
			"correlationId":"a43683b0-5717-4ceb-80b4-104d02915d8c","errors":[{"message":"Property \"testproperty\" does not exist","code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["testproperty"]}}],"category":"VALIDATION_ERROR"}`,
			class: ClassInvalid,
			want: Error{Category: "VALIDATION_ERROR", CorrelationID: "a43683b0-5717-4ceb-80b4-104d02915d8c", Details: []Detail{
				{Code: "PROPERTY_DOESNT_EXIST", Properties: []string{"testproperty"}}, {Code: "INVALID_OPTION", Properties: []string{"plan"}}}},
		},
		{
			name: "portal rule", status: 400,
			body: `{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY",
 "message":"my_property is required because of a conditional property rule based on [planted]",
 "context":{"propertyName":["my_property"]}}]}`,
			class: ClassInvalid,
			want:  Error{Category: "VALIDATION_ERROR", Details: []Detail{{Code: "MISSING_CONDITIONAL_REQUIRED_PROPERTY", Properties: []string{"my_property"}}}},
		},
		{
			name: "invalid address", status: 400,
			body:  `{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Email address planted@example.comtttt is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]","category":"VALIDATION_ERROR","subCategory":{"planted":"x"}}`,
			class: ClassInvalid,
			want:  Error{Category: "VALIDATION_ERROR", Details: []Detail{{Code: "INVALID_EMAIL", Properties: []string{"email"}}}},
		},
		{
			name: "duplicate ids", status: 400,
			body:  `{"status":"error","message":"Duplicate IDs found in batch input: [planted@example.com]. IDs must be unique","context":{"ids":["planted@example.com"]},"category":"VALIDATION_ERROR"}`,
			class: ClassInvalid,
			want:  Error{Category: "VALIDATION_ERROR", IDs: []string{"planted@example.com"}},
		},
		{
			name: "conflict", status: 409,
			body:  `{"status":"error","message":"Contact already exists. Existing ID: 37765128953","correlationId":"2cf1ffc6-0784-43aa-a016-88c320938381","category":"CONFLICT"}`,
			class: ClassConflict,
			want:  Error{Category: "CONFLICT", CorrelationID: "2cf1ffc6-0784-43aa-a016-88c320938381", ExistingID: "37765128953"},
		},
		{
			name: "missing scopes", status: 403,
			body: `{"status":"error","message":"This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.",
 "correlationId":"c0ffee","errors":[{"message":"One or more of the following scopes are required.","context":{"requiredGranularScopes":["crm.schemas.contacts.read","crm.objects.contacts.read"]}}],
 "links":{"scopes":"https://developers.hubspot.com/scopes"},"category":"MISSING_SCOPES"}`,
			class: ClassScope,
			want:  Error{Category: "MISSING_SCOPES", CorrelationID: "c0ffee", Scopes: []string{"crm.schemas.contacts.read", "crm.objects.contacts.read"}},
		},
		{
			name: "expired token", status: 401,
			body:  `{"status":"error","message":"The OAuth token used to make this call expired 0 second(s) ago.","correlationId":"x","category":"EXPIRED_AUTHENTICATION","context":{"expire time":["2023-10-30T15:15:04.007Z"]}}`,
			class: ClassUnauthorized,
			want:  Error{Category: "EXPIRED_AUTHENTICATION", CorrelationID: "x"},
		},
		{
			name: "no category", status: 404,
			body:  `{"status":"error","message":"resource not found","correlationId":"x"}`,
			class: ClassNotFound, want: Error{CorrelationID: "x"},
		},
		{
			name: "loose types: context values as texts, errors as an object, numbers", status: 400,
			body:  `{"category":"VALIDATION_ERROR","context":{"id":"51","objectWriteTraceId":"row-1"},"errors":{"message":"planted"},"message":["planted"],"correlationId":7}`,
			class: ClassInvalid,
			want:  Error{Category: "VALIDATION_ERROR", CorrelationID: "7", IDs: []string{"51"}, TraceIDs: []string{"row-1"}},
		},
		{
			name: "values where words are expected", status: 400,
			body:  `{"category":"planted@example.com","subCategory":"Planted Person","correlationId":"a planted value","errors":[{"code":"planted value","context":{"propertyName":["Planted Person","plan"]}}]}`,
			class: ClassInvalid, want: Error{Details: []Detail{{Properties: []string{"plan"}}}},
		},
		{name: "internal error", status: 500, body: `{"status":"error","message":"internal error","correlationId":"x"}`, class: ClassTransient, want: Error{CorrelationID: "x"}},
		{name: "no body", status: 503, body: "", class: ClassTransient},
		{name: "text", status: 400, body: "planted@example.com", class: ClassInvalid},
		{name: "a list", status: 400, body: `[{"category":"planted"}]`, class: ClassInvalid},
		{name: "web page", status: 502, body: "<html>planted@example.com</html>", class: ClassTransient, want: Error{HTML: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := answering(t, tc.status, tc.body).BatchCreate(t.Context(), inputs(1))
			if got := Classify(err); got != tc.class {
				t.Errorf("class %q, want %q", got, tc.class)
			}
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("%T is not an *Error", err)
			}
			want := tc.want
			want.Op, want.Status, want.Sent = OpBatchCreate, tc.status, true
			if !reflect.DeepEqual(*e, want) {
				t.Errorf("got  %#v\nwant %#v", *e, want)
			}
			checkClean(t, err)
			if _, ok := errors.AsType[*ValidationError](err); ok != (tc.class == ClassInvalid && strings.Contains(tc.body, "VALIDATION_ERROR") || tc.name == "values where words are expected") {
				t.Errorf("ValidationError = %t", ok)
			}
		})
	}
}

func checkClean(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, bad := range planted {
			if strings.Contains(err.Error(), bad) {
				t.Errorf("the error text holds %q: %s", bad, err)
			}
		}
	}
}

// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22) and captures.
func TestRateLimitBodies(t *testing.T) {
	for _, tc := range []struct {
		body    string
		headers []string
		want    RateLimitError
	}{
		{`{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","correlationId":"c033cdaa-2c40-4a64-ae48-b4cec88dad24","policyName":"DAILY","requestId":"3d3e35b7-0dae-4b9f-a6e3-9c230cbcf8dd"}`,
			nil, RateLimitError{Policy: "DAILY", Daily: true, RetryAfter: time.Hour, CorrelationID: "c033cdaa-2c40-4a64-ae48-b4cec88dad24"}},
		{`{"message":"You have reached your daily limit."}`, nil, RateLimitError{Policy: "DAILY", Daily: true, RetryAfter: time.Hour}},
		{`{"message":"You have reached your ten_secondly_rolling limit.","policyName":"TEN_SECONDLY_ROLLING","groupName":"publicapi:private_app-api-calls-ten-secondly:1:2"}`,
			nil, RateLimitError{Policy: "TEN_SECONDLY_ROLLING", RetryAfter: 10 * time.Second}},
		{`{"policyName":"TEN_SECONDLY_ROLLING"}`, []string{headerInterval, "20000"}, RateLimitError{Policy: "TEN_SECONDLY_ROLLING", RetryAfter: 20 * time.Second}},
		{`{"policyName":"TEN_SECONDLY_ROLLING"}`, []string{headerInterval, "20000", "Retry-After", "3"}, RateLimitError{Policy: "TEN_SECONDLY_ROLLING", RetryAfter: 3 * time.Second}},
		{`{"message":"You have reached your secondly limit."}`, nil, RateLimitError{Policy: "SECONDLY", RetryAfter: time.Second}},
		{`<html>planted@example.com</html>`, nil, RateLimitError{RetryAfter: 10 * time.Second}},
		{``, []string{headerCorrelation, "abc"}, RateLimitError{RetryAfter: 10 * time.Second, CorrelationID: "abc"}},
	} {
		_, err := answering(t, http.StatusTooManyRequests, tc.body, tc.headers...).BatchCreate(t.Context(), inputs(1))
		got, ok := errors.AsType[*RateLimitError](err)
		if !ok {
			t.Errorf("%s: %T", tc.body, err)
			continue
		}
		tc.want.Op = OpBatchCreate
		if *got != tc.want {
			t.Errorf("%s\ngot  %+v\nwant %+v", tc.body, *got, tc.want)
		}
		checkClean(t, err)
	}
}

func TestErrorText(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&Error{Op: OpBatchCreate, Status: 400, Category: "VALIDATION_ERROR", CorrelationID: "c0ffee",
			Details: []Detail{{Code: "INVALID_OPTION", Properties: []string{"plan"}}, {Code: "X"}}},
			"hubspot batch_create: status 400 VALIDATION_ERROR: INVALID_OPTION (plan), X (correlation id c0ffee)"},
		{&Error{Op: OpContact, Status: 302}, "hubspot contact: status 302: a redirect, which is never followed (check base_url and proxies)"},
		{&Error{Op: OpBatchRead, Err: ErrTimeout}, "hubspot batch_read: hubspot gave no answer in time"},
		{&Error{Op: OpBatchRead, Err: fmt.Errorf("bad bytes %q", "planted@example.com")}, "hubspot batch_read: connection broken (*errors.errorString)"},
		{&RateLimitError{Op: OpBatchCreate, Policy: "DAILY", Daily: true, RetryAfter: time.Hour}, "hubspot batch_create: daily limit reached (DAILY); retry after 1h0m0s"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(400, `{"status":"error","message":"x: [{\"error\":\"A\",\"name\":\"b\"}]","errors":[{"code":"A","context":{"propertyName":["b"]}}],"context":{"ids":["1"]}}`)
	f.Add(409, `{"message":"Existing ID: 1","category":"CONFLICT"}`)
	f.Add(429, `{"policyName":"DAILY"}`)
	f.Add(207, `{"results":[{"id":1,"properties":{"a":null,"b":true}}],"errors":[{"subCategory":{},"context":{"id":"a"}},7]}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 599 {
			return
		}
		result, err := answering(t, status, body).BatchCreate(t.Context(), inputs(1))
		if (result == nil) == (err == nil) {
			t.Fatalf("result %v and error %v", result, err)
		}
		if err == nil {
			return
		}
		if Classify(err) == ClassNone {
			t.Errorf("status %d has no class", status)
		}
		if strings.ContainsAny(err.Error(), "@<>\"") {
			t.Errorf("the text holds what can only come from the body: %s", err)
		}
	})
}

// A value that HubSpot repeats in its message may look like the parts of a message that mean something.
func TestValuesInMessagesDecideNothing(t *testing.T) {
	const list = `[{\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]`
	for _, tc := range []struct {
		name, body string
		status     int
		existing   lead.ContactID
		details    int
	}{
		{"an id in a refused value", `{"category":"VALIDATION_ERROR","message":"Existing ID: 666 was not one of the allowed options"}`, 400, "", 0},
		{"a list in a refused value", `{"category":"VALIDATION_ERROR","message":"` + list + ` was not one of the allowed options: []"}`, 400, "", 0},
		{"an id in the value of a conflict", `{"category":"CONFLICT","message":"A contact with key Existing ID: 666 already exists. Existing ID: 51."}`, 409, "51", 0},
		{"an id of no number", `{"category":"CONFLICT","message":"Existing ID: abc"}`, 409, "", 0},
		{"the list where it belongs", `{"category":"VALIDATION_ERROR","message":"Property values were not valid: ` + list + `"}`, 400, "", 1},
	} {
		_, err := answering(t, tc.status, tc.body).BatchCreate(t.Context(), inputs(1))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.ExistingID != tc.existing || len(e.Details) != tc.details {
			t.Errorf("%s: %+v", tc.name, err)
		}
		result, err := answering(t, 207, `{"results":[],"errors":[`+tc.body+`]}`).BatchCreate(t.Context(), inputs(1))
		if err != nil || len(result.Errors) != 1 || result.Errors[0].ExistingID != tc.existing || len(result.Errors[0].Details) != tc.details {
			t.Errorf("%s, as a row's error: %+v, %v", tc.name, result, err)
		}
	}
}

// Types that differ from the published ones cost what they are about, not the results beside them.
func TestLooseBatchAnswers(t *testing.T) {
	body := `{"status":7,"numErrors":"1","results":[
		{"id":51,"properties":{"age":42,"vip":true,"plan":null,"odd":{"a":1}},"createdAt":1795334400000,"updatedAt":"2026-11-22T08:00:01.456Z","archived":"true","new":true},
		"garbage", {"properties":{"email":"ada@example.com"}}, {}],
		"errors":[{"subCategory":{"a":1},"category":"OBJECT_NOT_FOUND","context":{"ids":["7",8]},"errors":{}}, 5, {"context":[]}]}`
	got, err := answering(t, 207, body).BatchCreate(t.Context(), inputs(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 2 {
		t.Fatalf("results %+v", got.Results)
	}
	one := got.Results[0]
	if one.ID != "51" || shown(one, "age") != "42" || shown(one, "vip") != "true" || shown(one, "plan") != "" || shown(one, "odd") != "" || !one.Archived || !one.New ||
		!one.CreatedAt.Equal(time.UnixMilli(1795334400000)) || !one.UpdatedAt.Equal(time.Date(2026, 11, 22, 8, 0, 1, 456e6, time.UTC)) {
		t.Errorf("first result %+v", one)
	}
	if two := got.Results[1]; two.ID != "" || shown(two, "email") != "ada@example.com" {
		t.Errorf("a result without an id %+v", two)
	}
	want := []BatchError{{Category: "OBJECT_NOT_FOUND", IDs: []string{"7", "8"}}, {}}
	if !reflect.DeepEqual(got.Errors, want) {
		t.Errorf("errors %+v", got.Errors)
	}
}
