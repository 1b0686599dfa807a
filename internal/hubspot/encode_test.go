package hubspot

import (
	"encoding/json"
	"testing"
)

// Bodies are bytes that do not change from one day to the next: keys in a fixed order, lists that are lists when they
// are empty.
func TestBodies(t *testing.T) {
	row := Input{ID: "7", TraceID: "t1", Properties: map[string]string{
		"lastname": "<O'Neil & \"co\">", "email": "a@example.com", "empty": ""}}
	const properties = `"properties":{"email":"a@example.com","empty":"","lastname":"<O'Neil & \"co\">"}`
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"create": {
			encodeWrite(OpBatchCreate, "", []Input{row}),
			`{"inputs":[{` + properties + `,"associations":[],"objectWriteTraceId":"t1"}]}`,
		},
		"create empty": {
			encodeWrite(OpBatchCreate, "", []Input{{TraceID: "t"}}),
			`{"inputs":[{"properties":{},"associations":[],"objectWriteTraceId":"t"}]}`,
		},
		"update": {
			encodeWrite(OpBatchUpdate, "", []Input{row}),
			`{"inputs":[{"id":"7",` + properties + `,"objectWriteTraceId":"t1"}]}`,
		},
		"upsert": {
			encodeWrite(OpBatchUpsert, "email", []Input{row, {ID: "8", TraceID: "t2"}}),
			`{"inputs":[{"id":"7","idProperty":"email",` + properties + `,"objectWriteTraceId":"t1"},` +
				`{"id":"8","idProperty":"email","properties":{},"objectWriteTraceId":"t2"}]}`,
		},
		"read": {
			encodeRead(ReadRequest{IDs: []string{"1", "2"}}),
			`{"inputs":[{"id":"1"},{"id":"2"}],"properties":[],"propertiesWithHistory":[]}`,
		},
		"read by name": {
			encodeRead(ReadRequest{IDs: []string{"x"}, IDProperty: "email", Properties: []string{"b", "a"}, History: []string{"h"}}),
			`{"inputs":[{"id":"x"}],"idProperty":"email","properties":["b","a"],"propertiesWithHistory":["h"]}`,
		},
		"search": {
			encodeSearch(SearchRequest{Properties: []string{"p"}, Filters: []Filter{
				{Property: "p", Operator: "EQ", Value: "v"},
				{Property: "q", Operator: "BETWEEN", Value: "1", HighValue: "2"},
				{Property: "r", Operator: "IN", Values: []string{"x"}},
			}}, 7),
			`{"filterGroups":[{"filters":[{"propertyName":"p","operator":"EQ","value":"v"},` +
				`{"propertyName":"q","operator":"BETWEEN","value":"1","highValue":"2"},` +
				`{"propertyName":"r","operator":"IN","values":["x"]}]}],` +
				`"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":["p"],"limit":7}`,
		},
		"search empty": {
			encodeSearch(SearchRequest{Newest: "createdate"}, 1),
			`{"filterGroups":[{"filters":[]}],"sorts":[{"propertyName":"createdate","direction":"DESCENDING"}],"properties":[],"limit":1}`,
		},
		"consent": {
			encode(newStatusInput(5, StatusUnsubscribed, Basis{LegalBasis: "L", Explanation: "E"})),
			`{"channel":"EMAIL","subscriptionId":5,"statusState":"UNSUBSCRIBED","legalBasis":"L","legalBasisExplanation":"E"}`,
		},
		"consent without a basis": {
			encode(newStatusInput(5, StatusUnsubscribed, Basis{})),
			`{"channel":"EMAIL","subscriptionId":5,"statusState":"UNSUBSCRIBED"}`,
		},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %s\nwant %s", name, c.got, c.want)
		}
	}
}

// Every text arrives as it was, but for bytes that are no UTF-8.
func TestTextsArrive(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"\x00\b\f\n\r\t\x1f\x7f": "\x00\b\f\n\r\t\x1f\x7f",
		"<a>&'\"\\/":             "<a>&'\"\\/",
		"é€😀\u2028\u2029":        "é€😀\u2028\u2029",
		"a\xffb\xc3":             "a\ufffdb\ufffd",
	} {
		var got struct {
			Inputs []struct{ Properties map[string]string }
		}
		row := Input{ID: "1", TraceID: "t", Properties: map[string]string{"p": text}}
		if err := json.Unmarshal(encodeWrite(OpBatchUpdate, "", []Input{row}), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if p := got.Inputs[0].Properties["p"]; p != want {
			t.Errorf("%q arrives as %q, want %q", text, p, want)
		}
	}
}
