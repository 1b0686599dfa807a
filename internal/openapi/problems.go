package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// options hold bodies to more than the library does by itself: HubSpot's correlation ids are UUIDs, and a status that
// an operation does not name is a problem. The library only reads them.
var options = &openapi3filter.Options{
	MultiError:                        true,
	IncludeResponseStatus:             true,
	RejectWhenRequestBodyNotSpecified: true,
	SkipSettingDefaults:               true,
	AuthenticationFunc:                bearer,
	SchemaValidationOptions: []openapi3.SchemaValidationOption{
		openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
	},
}

// bearer holds operations that name a security scheme to a token in the header; whether it is a good one is the
// answer's to say.
func bearer(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	token, ok := strings.CutPrefix(in.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return errors.New("no bearer token in the Authorization header")
	}
	return nil
}

// problems says what does not fit. An answer that broke off, or never came, is not held to anything.
func (d documents) problems(x *exchange) []string {
	req := x.copyOf()
	route, params, err := d.route(req)
	if err != nil {
		return []string{err.Error()}
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options}
	out := flatten("request", openapi3filter.ValidateRequest(req.Context(), in))
	out = append(out, unknownFields(x, route)...)
	if x.status == 0 || x.broken != nil {
		return out
	}
	return append(out, flatten("answer", openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: x.status, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.got)), Options: options,
	}))...)
}

// unknownFields finds query parameters and form fields that the operation does not have; the library lets them pass.
func unknownFields(x *exchange, route *routers.Route) []string {
	var out []string
	for name := range x.request.URL.Query() {
		if route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			out = append(out, fmt.Sprintf("request: query parameter %q is not in the document", name))
		}
	}
	if !x.isForm() || route.Operation.RequestBody == nil {
		return out
	}
	form, err := url.ParseQuery(string(x.sent))
	if err != nil {
		return append(out, "request: the form cannot be read")
	}
	media := route.Operation.RequestBody.Value.Content.Get("application/x-www-form-urlencoded")
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if media == nil || media.Schema.Value.Properties[name] == nil {
			out = append(out, fmt.Sprintf("request: form field %q is not in the document", name))
		}
	}
	return out
}

// flatten makes one line of each problem, without the schemas and values that the library would print.
func flatten(where string, err error) []string {
	if err == nil {
		return nil
	}
	switch e := err.(type) { //nolint:errorlint // one layer at a time
	case openapi3.MultiError:
		var out []string
		for _, one := range e {
			out = append(out, flatten(where, one)...)
		}
		return out
	case *openapi3filter.RequestError:
		if e.Parameter != nil {
			where += " parameter " + e.Parameter.Name
		}
		return orReason(where, e.Reason, e.Err)
	case *openapi3filter.ResponseError:
		return orReason(where, e.Reason, e.Err)
	case *openapi3.SchemaError:
		return []string{fmt.Sprintf("%s: /%s: %s", where, strings.Join(e.JSONPointer(), "/"), e.Reason)}
	}
	return []string{where + ": " + err.Error()}
}

func orReason(where, reason string, err error) []string {
	if err == nil {
		return []string{where + ": " + reason}
	}
	return flatten(where, err)
}
