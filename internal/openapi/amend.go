package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The words that the table of deviations is written in. Each fails when what it is to change is not there, so that
// newer documents make a deviation that is no longer one known.

// named are the documents called so in every version; "" = all.
func (d documents) named(name string) map[string][]*document {
	out := map[string][]*document{}
	for version, byName := range d {
		for one, doc := range byName {
			if name == "" || one == name {
				out[version] = append(out[version], doc)
			}
		}
	}
	return out
}

// operation is the POST of a path, %s the version.
func (d documents) operation(version, name, path string) (*openapi3.Operation, error) {
	path = fmt.Sprintf(path, version)
	doc := d[version][name]
	if doc == nil || doc.api.Paths.Value(path) == nil || doc.api.Paths.Value(path).Post == nil {
		return nil, fmt.Errorf("no document has POST %s", path)
	}
	return doc.api.Paths.Value(path).Post, nil
}

// everySchema changes the schemas of these names in the documents called so.
func everySchema(document string, names []string, change func(*openapi3.Schema) error) func(documents) error {
	return func(docs documents) error {
		changed := 0
		for version, list := range docs.named(document) {
			for _, doc := range list {
				for _, name := range names {
					ref := doc.api.Components.Schemas[name]
					if ref == nil {
						continue
					}
					changed++
					if err := change(ref.Value); err != nil {
						return fmt.Errorf("%s %s: %w", version, name, err)
					}
				}
			}
		}
		if changed == 0 {
			return fmt.Errorf("no document has a schema %s", strings.Join(names, " or "))
		}
		return nil
	}
}

// everyOperation changes the operations of the documents called so.
func everyOperation(document string, change func(version, path string, op *openapi3.Operation) error) func(documents) error {
	return func(docs documents) error {
		var failed error
		for version, list := range docs.named(document) {
			for _, doc := range list {
				doc.operations(func(path, _ string, op *openapi3.Operation) {
					if err := change(version, path, op); err != nil && failed == nil {
						failed = fmt.Errorf("%s: %w", path, err)
					}
				})
			}
		}
		return failed
	}
}

// success is the first status of success that an operation names, or "".
func success(op *openapi3.Operation) string {
	for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) {
		if strings.HasPrefix(status, "2") {
			return status
		}
	}
	return ""
}

// copyResponse lets an operation answer a status as another answers one.
func copyResponse(from, to *openapi3.Operation, status, as string) error {
	response := from.Responses.Value(status)
	if response == nil || as == "" {
		return fmt.Errorf("no answer %s to copy to %q", status, as)
	}
	to.Responses.Set(as, response)
	return nil
}

// otherErrors gives statuses an Error schema of their own, changed. What they have by then, or else the default, is
// where it starts.
func otherErrors(op *openapi3.Operation, statuses []string, change func(*openapi3.Schema)) error {
	for _, status := range statuses {
		response := op.Responses.Value(status)
		if response == nil {
			response = op.Responses.Default()
		}
		if response == nil || response.Value.Content["*/*"] == nil {
			return fmt.Errorf("no Error for %s", status)
		}
		schema := *response.Value.Content["*/*"].Schema.Value
		schema.Properties = maps.Clone(schema.Properties)
		change(&schema)
		answer := openapi3.NewResponse().WithDescription("refused").WithContent(openapi3.NewContentWithSchema(&schema, []string{"*/*"}))
		op.Responses.Set(status, &openapi3.ResponseRef{Value: answer})
	}
	return nil
}
