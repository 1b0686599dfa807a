package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// deviation is one thing that HubSpot does otherwise than its documents say.
type deviation struct {
	name   string
	fact   string // what HubSpot does
	source string // where that was read
	amend  func(documents) error
}

// deviations are all that is allowed beside the documents, everything read 2026-11-22. "spec" is
// https://github.com/HubSpot/HubSpot-public-api-spec-collection.
var deviations = []deviation{
	{
		name: "null values",
		fact: "a property that was asked for and never set is null; the 2026-09 document says so of SimplePublicObject and " +
			"SimplePublicObjectWithAssociations, but not of SimplePublicUpsertObject, and 2026-03 of none",
		source: "spec, CRM contacts, 2026-09",
		amend: everySchema("contacts", []string{"SimplePublicObject", "SimplePublicObjectWithAssociations", "SimplePublicUpsertObject"}, func(s *openapi3.Schema) error {
			values := s.Properties["properties"].Value.AdditionalProperties.Schema
			if values == nil {
				return errors.New("properties is no map")
			}
			values.Value.Nullable = true
			return nil
		}),
	},
	{
		name:   "207",
		fact:   "a batch with refused rows answers 207 in the shape of its success; the 2026-09 document has the two keys on the success and lists no 207",
		source: "https://developers.hubspot.com/docs/guides/crm/using-object-apis and spec, CRM contacts, 2026-03",
		amend: everyOperation("contacts", func(version, path string, op *openapi3.Operation) error {
			if version != "2026-09" || !strings.Contains(path, "/batch/") || strings.HasSuffix(path, "/archive") {
				return nil
			}
			return copyResponse(op, op, success(op), "207")
		}),
	},
	{
		name:   "200 of a partly refused batch",
		fact:   "whether 2026-09 answers 200 or 207 to a partly refused batch is not settled: 2026-03, too, takes errors and numErrors with 200 and 201",
		source: "https://developers.hubspot.com/changelog/simplifying-batch-update-response-codes-for-crm-v3-apis and spec, CRM contacts, 2026-09",
		amend: everyOperation("contacts", func(version, path string, op *openapi3.Operation) error {
			if version != "2026-03" || !strings.Contains(path, "/batch/") || strings.HasSuffix(path, "/archive") {
				return nil
			}
			return copyResponse(op, op, "207", success(op))
		}),
	},
	{
		name:   "empty batch create",
		fact:   "a batch create without inputs answers 200 and no results, not 201",
		source: "https://github.com/rudderlabs/rudder-transformer/pull/5147",
		amend: everyOperation("contacts", func(_, path string, op *openapi3.Operation) error {
			if !strings.HasSuffix(path, "/batch/create") {
				return nil
			}
			return copyResponse(op, op, "201", "200")
		}),
	},
	{
		name:   "warnings",
		fact:   "a contact whose value was normalised carries warnings, which only the 2026-03 document describes",
		source: "https://developers.hubspot.com/changelog/crm-api-write-validation-enforcement and spec, CRM contacts, 2026-03",
		amend: func(docs documents) error {
			older, newer := docs["2026-03"]["contacts"], docs["2026-09"]["contacts"]
			if older == nil || newer == nil {
				return errors.New("the documents of contacts are not there")
			}
			for _, name := range []string{"SimplePublicObject", "SimplePublicObjectWithAssociations", "SimplePublicUpsertObject"} {
				from, to := older.api.Components.Schemas[name], newer.api.Components.Schemas[name]
				if from == nil || to == nil || from.Value.Properties["warnings"] == nil {
					return fmt.Errorf("no warnings in %s", name)
				}
				to.Value.Properties["warnings"] = from.Value.Properties["warnings"]
			}
			return nil
		},
	},
	{
		name:   "sorts",
		fact:   "a search's sorts are objects of propertyName and direction, not texts",
		source: "https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm",
		amend: everySchema("contacts", []string{"PublicObjectSearchRequest"}, func(s *openapi3.Schema) error {
			sort := openapi3.NewObjectSchema().WithProperty("propertyName", openapi3.NewStringSchema()).
				WithProperty("direction", openapi3.NewStringSchema().WithEnum("ASCENDING", "DESCENDING"))
			sort.Required = []string{"propertyName"}
			s.Properties["sorts"].Value.Items = openapi3.NewSchemaRef("", sort)
			return nil
		}),
	},
	{
		name:   "a search without after",
		fact:   "a search's after may be left out: the guide's examples have none, although the documents mark it required",
		source: "https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm",
		amend: everySchema("contacts", []string{"PublicObjectSearchRequest"}, func(s *openapi3.Schema) error {
			kept := slices.DeleteFunc(slices.Clone(s.Required), func(key string) bool { return key == "after" })
			if len(kept) == len(s.Required) {
				return errors.New("after is not required")
			}
			s.Required = kept
			return nil
		}),
	},
	{
		name:   "no legal basis",
		fact:   "a status that was given no legal basis shows it as null in the guide's example; the documents leave it out",
		source: "https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide",
		amend: everySchema("subscriptions", []string{"PublicStatus"}, func(s *openapi3.Schema) error {
			for _, name := range []string{"legalBasis", "legalBasisExplanation"} {
				if s.Properties[name] == nil {
					return fmt.Errorf("no %s", name)
				}
				s.Properties[name].Value.Nullable = true
				if len(s.Properties[name].Value.Enum) > 0 {
					s.Properties[name].Value.Enum = append(s.Properties[name].Value.Enum, nil)
				}
			}
			return nil
		}),
	},
	{
		name:   "207 of subscriptions",
		fact:   "whether a partly refused batch of statuses answers 200, as the documents say, or 207 as every other one is not known: both are allowed",
		source: "https://developers.hubspot.com/docs/guides/crm/using-object-apis",
		amend: everyOperation("subscriptions", func(_, path string, op *openapi3.Operation) error {
			if !strings.Contains(path, "/statuses/batch/") {
				return nil
			}
			return copyResponse(op, op, "200", "207")
		}),
	},
	{
		name:   "status of an error",
		fact:   `error bodies carry status "error" too`,
		source: "https://developers.hubspot.com/docs/api-reference/error-handling",
		amend: everySchema("", []string{"Error"}, func(s *openapi3.Schema) error {
			s.Properties["status"] = openapi3.NewSchemaRef("", openapi3.NewStringSchema().WithEnum("error"))
			return nil
		}),
	},
	{
		name:   "errors without category",
		fact:   "no field of an error body is promised; 404, 405, 423, 477 and 500 were seen, or are described, without a category",
		source: "https://developers.hubspot.com/docs/api-reference/error-handling",
		amend: everyOperation("", func(_, _ string, op *openapi3.Operation) error {
			return otherErrors(op, []string{"404", "405", "423", "477", "500"}, func(s *openapi3.Schema) {
				s.Required = slices.DeleteFunc(slices.Clone(s.Required), func(key string) bool { return key == "category" })
			})
		}),
	},
	{
		name:   "429",
		fact:   "the body of a 429 has errorType and policyName in place of a category; the ids in that of the token endpoint are null",
		source: "https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines and https://github.com/hubspotdev/devslackarchive, 2022-03-24 and 2023-06-14",
		amend: everyOperation("", func(_, path string, op *openapi3.Operation) error {
			return otherErrors(op, []string{"429"}, func(s *openapi3.Schema) {
				s.Required = []string{"status", "message", "errorType", "correlationId", "policyName"}
				id := *s.Properties["correlationId"].Value
				id.Nullable = strings.HasPrefix(path, "/oauth/")
				s.Properties = openapi3.Schemas{
					"status": openapi3.NewSchemaRef("", openapi3.NewStringSchema().WithEnum("error")), "message": s.Properties["message"],
					"correlationId": openapi3.NewSchemaRef("", &id), "requestId": openapi3.NewSchemaRef("", &id),
					"errorType":  openapi3.NewSchemaRef("", openapi3.NewStringSchema().WithEnum("RATE_LIMIT")),
					"policyName": openapi3.NewSchemaRef("", openapi3.NewStringSchema().WithEnum("DAILY", "TEN_SECONDLY_ROLLING", "SECONDLY")),
					"groupName":  openapi3.NewSchemaRef("", openapi3.NewStringSchema()),
				}
			})
		}),
	},
	{
		name:   "pages of the edge",
		fact:   "502 and 524 are web pages of the network in front of HubSpot",
		source: "https://github.com/HubSpot/hubspot-api-php/issues/432 and https://github.com/HubSpot/hubspot-php/issues/341",
		amend: everyOperation("", func(_, _ string, op *openapi3.Operation) error {
			for _, status := range []string{"502", "524"} {
				page := openapi3.NewResponse().WithDescription("a web page").WithContent(openapi3.Content{"text/html": openapi3.NewMediaType()})
				op.Responses.Set(status, &openapi3.ResponseRef{Value: page})
			}
			return nil
		}),
	},
	{
		name:   "errors of the token endpoint",
		fact:   "the OAuth endpoints refuse with the four keys error, error_description, status and message; before that with status, message and correlationId",
		source: "https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses",
		amend: everyOperation("oauth", func(_, _ string, op *openapi3.Operation) error {
			return otherErrors(op, []string{"400", "403"}, func(s *openapi3.Schema) {
				text := func() *openapi3.Schema { return openapi3.NewStringSchema() }
				long := openapi3.NewObjectSchema().WithProperty("error", text()).WithProperty("error_description", text()).
					WithProperty("status", text()).WithProperty("message", text())
				long.Required = []string{"error", "error_description", "status", "message"}
				short := openapi3.NewObjectSchema().WithProperty("status", text()).WithProperty("message", text()).
					WithProperty("correlationId", openapi3.NewUUIDSchema())
				short.Required = []string{"status", "message", "correlationId"}
				usual := *s
				*s = *openapi3.NewAnyOfSchema(long, short, &usual)
			})
		}),
	},
	{
		name:   "answers of OAuth",
		fact:   "the 2026-09 document, of a month before that version was current, has no success of token and only active of introspect; a later one is reported to equal 2026-03",
		source: "spec, Auth, Oauth, 2026-03, and https://github.com/NangoHQ/nango/issues/7664",
		amend: func(docs documents) error {
			for _, path := range []string{"/oauth/%s/token", "/oauth/%s/token/introspect"} {
				from, err := docs.operation("2026-03", "oauth", path)
				if err != nil {
					return err
				}
				to, err := docs.operation("2026-09", "oauth", path)
				if err != nil {
					return err
				}
				if err := copyResponse(from, to, "200", "200"); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		name:   "unknown token",
		fact:   "introspection answers 200 and active false, nothing else, to a token that is unknown, expired or revoked; 2026-03 wants all the fields of a known one",
		source: "https://github.com/usertour/usertour/pull/490 and https://github.com/NangoHQ/nango/issues/7664",
		amend: func(docs documents) error {
			for version := range docs {
				op, err := docs.operation(version, "oauth", "/oauth/%s/token/introspect")
				if err != nil {
					return err
				}
				known := op.Responses.Value("200").Value.Content["application/json"].Schema.Value
				no := openapi3.NewObjectSchema().WithProperty("active", openapi3.NewBoolSchema().WithEnum(false))
				no.Required = []string{"active"}
				answer := openapi3.NewResponse().WithDescription("what is known of a token").
					WithJSONSchema(openapi3.NewAnyOfSchema(known, no))
				op.Responses.Set("200", &openapi3.ResponseRef{Value: answer})
			}
			return nil
		},
	},
	{
		name:   "revoke",
		fact:   "a revocation answers 200 with nothing, also for an unknown token; the documents list no success",
		source: "https://github.com/NangoHQ/nango/issues/7664",
		amend: func(docs documents) error {
			for version := range docs {
				op, err := docs.operation(version, "oauth", "/oauth/%s/token/revoke")
				if err != nil {
					return err
				}
				op.Responses.Set("200", &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("revoked")})
			}
			return nil
		},
	},
}
