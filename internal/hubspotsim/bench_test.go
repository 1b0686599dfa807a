package hubspotsim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// leadBatch is the body of a batch of a hundred new contacts with five values each.
func leadBatch(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"inputs":[`)
	for i := range 100 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"properties":{"email":"lead%d.%d@example.com","firstname":"Zoë","lastname":"Müller %d","company":"Analytical Engines",`+
			`"phone":"+49 30 %07d"},"associations":[],"objectWriteTraceId":"t-%d-%d"}`, n, i, i, n, n, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// BenchmarkBatchCreate measures what the simulator itself costs a lead, without sockets and over them. The figure to
// look at is leads/s on one core: a test that drives the daemon at 5,000 a second must not spend its machine here.
func BenchmarkBatchCreate(b *testing.B) {
	for _, how := range []string{"transport", "socket"} {
		b.Run(how, func(b *testing.B) {
			s, err := New(Config{Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			client, base := &http.Client{Transport: s.Transport()}, "http://hubspot.example.com"
			if how == "socket" {
				l, err := Listen(b.Context(), "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- s.Serve(b.Context(), l) }()
				b.Cleanup(func() { // the benchmark's context has ended by now
					if err := <-done; err != nil {
						b.Error(err)
					}
				})
				client, base = &http.Client{Transport: &http.Transport{}}, "http://"+l.Addr().String()
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, base+contactsPath+"/batch/create", bytes.NewReader(leadBatch(n)))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+s.Credentials().StaticToken)
				resp, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusCreated || strings.Count(string(text), `"hs_object_id"`) != 100 {
					b.Fatalf("batch create: %d %v", resp.StatusCode, err)
				}
			}
			b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "leads/s")
		})
	}
}

// BenchmarkSearch is one page of a keyset pull over a hundred thousand contacts, from the middle of the ids.
func BenchmarkSearch(b *testing.B) {
	s, err := New(Config{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: s.Transport()}
	send := func(path string, body []byte) []byte {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://hubspot.example.com"+contactsPath+path, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.Credentials().StaticToken)
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode/100 != 2 {
			b.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		return text
	}
	for n := range 1000 {
		send("/batch/create", leadBatch(n))
	}
	middle := s.nextID - 50_000
	body := fmt.Appendf(nil, `{"filterGroups":[{"filters":[{"propertyName":"lastmodifieddate","operator":"GTE","value":"1000"},`+
		`{"propertyName":"hs_object_id","operator":"GT","value":"%d"}]}],"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],`+
		`"properties":["email","firstname"],"limit":200}`, middle)
	b.ReportAllocs()
	for b.Loop() {
		if text := send("/search", body); !bytes.Contains(text, []byte(`"total":49999`)) {
			b.Fatalf("search: %.200s", text)
		}
	}
}
