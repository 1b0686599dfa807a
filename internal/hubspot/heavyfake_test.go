package hubspot

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// tooHeavyOver is a HubSpot with one contact whose answer is over 16 MiB with more than so many properties.
func tooHeavyOver(t *testing.T, most int) *Client {
	huge := strings.Repeat(" ", maxAnswerBody+1)
	return clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		var in struct{ Properties []string }
		if req.Body != nil {
			body, _ := io.ReadAll(req.Body)
			req.Body.Close()
			_ = json.Unmarshal(body, &in)
		} else {
			in.Properties = strings.Split(req.URL.Query().Get("properties"), ",")
		}
		if len(in.Properties) > most {
			return reply(req, 200, huge), nil
		}
		values := map[string]string{}
		for _, p := range in.Properties {
			values[p] = "v"
		}
		contact := map[string]any{"id": "7", "properties": values}
		var out any = contact
		if req.Method == http.MethodPost {
			out = map[string]any{"status": "COMPLETE", "total": 1, "results": []any{contact}}
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return reply(req, 200, string(text)), nil
	}))
}
