package openapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// documents are HubSpot's descriptions by version and name, as in documents["2026-09"]["contacts"].
type documents map[string]map[string]*document

type document struct {
	api    *openapi3.T
	router routers.Router
}

// load reads all documents below dir, corrects them by the deviations, but for the one named leftOut, and closes their
// objects.
func load(dir, leftOut string) (documents, error) {
	docs, err := read(dir, leftOut == "")
	if err != nil {
		return nil, err
	}
	for _, d := range deviations {
		if d.name == leftOut {
			continue
		}
		if err := d.amend(docs); err != nil {
			return nil, fmt.Errorf("apply the deviation %q: %w", d.name, err)
		}
	}
	for _, byName := range docs {
		for name, doc := range byName {
			closeObjects(doc.api)
			if doc.router, err = gorillamux.NewRouter(doc.api); err != nil {
				return nil, fmt.Errorf("make the routes of %s: %w", name, err)
			}
		}
	}
	return docs, nil
}

// read loads the files as they are; whole also holds them to the OpenAPI specification, which takes longer.
func read(dir string, whole bool) (documents, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list the OpenAPI documents: %w", err)
	}
	docs := documents{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read OpenAPI document: %w", err)
		}
		api, err := openapi3.NewLoader().LoadFromData(text)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", filepath.Base(file), err)
		}
		// HubSpot's examples do not keep to their own schemas.
		if whole {
			if err := api.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
				return nil, fmt.Errorf("validate %s: %w", filepath.Base(file), err)
			}
		}
		api.Servers = nil // where HubSpot is, is configuration: routes go by path alone
		version := filepath.Base(filepath.Dir(file))
		if docs[version] == nil {
			docs[version] = map[string]*document{}
		}
		docs[version][strings.TrimSuffix(filepath.Base(file), ".json")] = &document{api: api}
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("no OpenAPI documents below %s, wanted VERSION/NAME.json", dir)
	}
	return docs, nil
}

// route finds the operation of a request.
func (d documents) route(req *http.Request) (*routers.Route, map[string]string, error) {
	known := false
	for _, byName := range d {
		for _, doc := range byName {
			route, params, err := doc.router.FindRoute(req)
			switch {
			case err == nil:
				return route, params, nil
			case errors.Is(err, routers.ErrMethodNotAllowed):
				known = true
			}
		}
	}
	if known {
		return nil, nil, errors.New("the documents have this path, but not with this method")
	}
	return nil, nil, errors.New("no document has this path")
}

// operations calls f with each operation of a document.
func (d *document) operations(f func(path, method string, op *openapi3.Operation)) {
	for path, item := range d.api.Paths.Map() {
		for method, op := range item.Operations() {
			f(path, method, op)
		}
	}
}

// closeObjects lets no key into an object that names its keys, wherever the document has one.
func closeObjects(api *openapi3.T) {
	c := closer{}
	for _, s := range api.Components.Schemas {
		c.schema(s)
	}
	for _, item := range api.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil {
				c.content(op.RequestBody.Value.Content)
			}
			for _, response := range op.Responses.Map() {
				c.content(response.Value.Content)
			}
		}
	}
}

// closer remembers where it was: schemas are shared and may go round in circles.
type closer map[*openapi3.Schema]bool

func (c closer) content(content openapi3.Content) {
	for _, media := range content {
		c.schema(media.Schema)
	}
}

func (c closer) schema(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || c[ref.Value] {
		return
	}
	s := ref.Value
	c[s] = true
	composed := len(s.OneOf)+len(s.AnyOf)+len(s.AllOf) > 0
	if len(s.Properties) > 0 && !composed && s.AdditionalProperties.Schema == nil && s.AdditionalProperties.Has == nil {
		s.AdditionalProperties.Has = new(bool)
	}
	for _, p := range s.Properties {
		c.schema(p)
	}
	c.schema(s.Items)
	c.schema(s.AdditionalProperties.Schema)
	for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf, s.AllOf} {
		for _, one := range list {
			c.schema(one)
		}
	}
}
