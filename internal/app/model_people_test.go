package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// bothWays are the fields that flow both ways when a winner is drawn.
var bothWays = []string{"company", "city"}

// counting knows whether a request is under way: what people do meanwhile no client can see in time.
type counting struct {
	inner http.RoundTripper
	under *atomic.Int32
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.under.Add(1)
	defer c.under.Add(-1)
	return c.inner.RoundTrip(r)
}

// tracing logs each request with its answer, for a script that is played again with LEADSYNC_TRACE=1.
type tracing struct {
	inner http.RoundTripper
	t     *testing.T
}

func maybeTraced(inner http.RoundTripper, t *testing.T) http.RoundTripper {
	if os.Getenv("LEADSYNC_TRACE") != "" {
		return tracing{inner, t}
	}
	return inner
}

func (x tracing) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.GetBody != nil {
		if b, err := r.GetBody(); err == nil {
			body, _ = io.ReadAll(b)
		}
	}
	began := time.Now()
	resp, err := x.inner.RoundTrip(r)
	var answer []byte
	if err == nil {
		answer, _ = io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(answer))
	}
	if !strings.Contains(r.URL.Path, "properties") {
		x.t.Logf("%s %s %s\n    %s\n    %v %.1500s", began.Format("04:05.000"), r.Method, r.URL.RequestURI(), body, err, answer)
	}
	return resp, err
}

// contactOf is the live contact that carries the lead's marker.
func (m *model) contactOf(lead int) *hubspotsim.ContactView {
	for _, c := range m.sim.Contacts() {
		if c.Properties["zip"] == marker(lead) {
			return &c
		}
	}
	return nil
}

// person does what people do in HubSpot's screens.
func (m *model) person(st step) {
	if st.word == "person" {
		address := m.address(st.lead, st.email)
		m.strangers[address] = true
		m.createContact(address, fmt.Sprint("S", m.at))
		return
	}
	c := m.contactOf(st.lead)
	if c == nil {
		return
	}
	m.touch(st.lead, c.ID)
	target := hubspotsim.Target{ID: c.ID}
	switch st.word {
	case "edit":
		f := modelFields[st.n%2]
		value := fmt.Sprint("P", m.at)
		must(m.t, m.sim.Edit(target, map[string]string{f: value}))
		m.edited(st.lead, f, value)
	case "address":
		address := fmt.Sprintf("person%d@example.org", m.at)
		if st.n == 0 {
			address = m.address(st.lead, st.email)
		}
		m.strangers[address] = true
		if m.sim.Edit(target, map[string]string{"email": address}) == nil { // refused when another contact has it
			m.edited(st.lead, "email", address)
		}
	case "archive":
		must(m.t, m.sim.Archive(target))
		m.archived[st.lead] = true
	case "purge":
		must(m.t, m.sim.Purge(target))
		m.purged[st.lead] = true
	case "merge":
		other := (st.lead+st.n)%modelLeads + 1
		o := m.contactOf(other)
		if o == nil || o.ID == c.ID {
			return
		}
		m.touch(other, o.ID)
		_, err := m.sim.Merge(target, hubspotsim.Target{ID: o.ID})
		must(m.t, err)
		m.merged[st.lead], m.merged[other] = true, true
	}
}

func (m *model) edited(lead int, field, value string) {
	if m.edits[lead] == nil {
		m.edits[lead] = map[string]string{}
	}
	m.edits[lead][field] = value
	m.racy[value] = m.under.Load() > 0
}

// touch notes that people change a contact that leadsync made and may not know yet, since the answer was lost.
func (m *model) touch(lead int, contact string) {
	var n int
	must(m.t, m.db.QueryRow(`SELECT count(*) FROM leadsync_links WHERE lead_id = ? AND contact_id = ?`, fmt.Sprint("lead-", lead), contact).Scan(&n))
	if n == 0 {
		m.unknown[lead] = true
	}
}

// createContact makes a contact that is none of ours.
func (m *model) createContact(address, company string) {
	left := m.sim.FaultsLeft()
	must(m.t, m.sim.SetFaults(""))
	body := toJSON(map[string]any{"properties": map[string]string{"email": address, "company": company}})
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/crm/objects/2026-09/contacts", bytes.NewReader([]byte(body)))
	must(m.t, err)
	req.Header.Set("Authorization", "Bearer "+m.sim.Credentials().StaticToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := m.sim.Transport().RoundTrip(req)
	must(m.t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	must(m.t, resp.Body.Close())
	must(m.t, m.sim.SetFaults(left))
}
