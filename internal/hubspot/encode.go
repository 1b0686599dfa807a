package hubspot

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// encode is the body of a request. <, > and & stay as they are, keys stand in the order of the fields, those of a map
// in the order of their names: equal values give equal bytes. Bytes that are not UTF-8 become U+FFFD.
func encode(body any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err)) // texts, numbers, lists and maps of texts always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// listed is never nil, so that it is written as a list.
func listed[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

// inputsOf is the body of most batches.
type inputsOf[E any] struct {
	Inputs []E `json:"inputs"`
}

// idInput names one contact.
type idInput struct {
	ID string `json:"id"`
}

func idInputs(ids []string) []idInput {
	list := make([]idInput, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}

// writeInput is one row of a batch write.
type writeInput struct {
	ID           string            `json:"id,omitempty"`
	IDProperty   string            `json:"idProperty,omitempty"`
	Properties   map[string]string `json:"properties"`
	Associations []struct{}        `json:"associations,omitzero"`
	TraceID      string            `json:"objectWriteTraceId"`
}

// encodeWrite builds the body of a batch write.
func encodeWrite(op, idProperty string, inputs []Input) []byte {
	rows := make([]writeInput, len(inputs))
	for i, in := range inputs {
		rows[i] = writeInput{ID: in.ID, IDProperty: idProperty, Properties: in.Properties, TraceID: in.TraceID}
		if in.Properties == nil {
			rows[i].Properties = map[string]string{}
		}
		if op == OpBatchCreate {
			rows[i].ID, rows[i].Associations = "", []struct{}{} // the 2026-09 description marks the list required
		}
	}
	return encode(inputsOf[writeInput]{rows})
}

// encodeRead builds the body of a batch read; the description marks all three arrays required.
func encodeRead(r ReadRequest) []byte {
	return encode(struct {
		inputsOf[idInput]
		IDProperty string   `json:"idProperty,omitempty"`
		Properties []string `json:"properties"`
		History    []string `json:"propertiesWithHistory"`
	}{inputsOf[idInput]{idInputs(r.IDs)}, r.IDProperty, listed(r.Properties), listed(r.History)})
}
