package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/replay"
)

// hubSpot is the simulator behind a free loopback port of this process.
type hubSpot struct {
	sim    *hubspotsim.Sim
	url    string
	server *http.Server
	ended  chan struct{}
}

// latency of the simulated API. A short window keeps the pause after a 429 short: it lasts as long as the window.
const (
	latency = 20 * time.Millisecond
	window  = time.Second
	limit   = 1000
	// tokenLife is short, so that the demo sees several refreshes; HubSpot's own is 30 minutes.
	tokenLife = 3 * time.Second
)

func openHubSpot(seed uint64) (*hubSpot, error) {
	sim, err := hubspotsim.New(hubspotsim.Config{Seed: seed, Latency: latency, Limit: limit, Window: window, TokenLife: tokenLife})
	if err != nil {
		return nil, fmt.Errorf("make the simulated HubSpot: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a port for the simulated HubSpot: %w", err)
	}
	h := &hubSpot{sim: sim, url: "http://" + listener.Addr().String(), ended: make(chan struct{})}
	h.server = &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		defer close(h.ended)
		_ = h.server.Serve(listener) // says that it was closed
	}()
	return h, nil
}

func (h *hubSpot) close() {
	_ = h.server.Close()
	<-h.ended
}

// contacts reads every live contact over HTTP.
func (h *hubSpot) contacts(ctx context.Context) ([]replay.Contact, error) {
	var all []replay.Contact
	err := h.get(ctx, "/_sim/contacts", func(body io.Reader) error {
		for d := json.NewDecoder(body); ; {
			var c struct {
				ID         string            `json:"id"`
				Properties map[string]string `json:"properties"`
			}
			if err := d.Decode(&c); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			all = append(all, replay.Contact{ID: c.ID, Properties: c.Properties})
		}
	})
	return all, err
}

// properties reads the definitions of the contact properties from the API.
func (h *hubSpot) properties(ctx context.Context) ([]replay.Property, error) {
	var wire struct {
		Results []struct {
			Name, Type, FieldType string
			Options               []replay.Option
			Calculated            bool
			HasUniqueValue        bool
			ModificationMetadata  struct{ ReadOnlyValue bool }
		}
	}
	err := h.get(ctx, "/crm/properties/2026-09/contacts", func(body io.Reader) error { return json.NewDecoder(body).Decode(&wire) })
	if err == nil && len(wire.Results) == 0 {
		err = errors.New("the simulated HubSpot knows no properties")
	}
	all := make([]replay.Property, len(wire.Results))
	for i, p := range wire.Results {
		all[i] = replay.Property{Name: p.Name, Type: p.Type, FieldType: p.FieldType, Options: p.Options,
			ReadOnly: p.Calculated || p.ModificationMetadata.ReadOnlyValue, Unique: p.HasUniqueValue}
	}
	return all, err
}

func (h *hubSpot) get(ctx context.Context, path string, read func(io.Reader) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
	if err != nil {
		return fmt.Errorf("ask the simulated HubSpot: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+h.sim.Credentials().StaticToken)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return fmt.Errorf("ask the simulated HubSpot: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulated HubSpot answers %s to GET %s", answer.Status, path)
	}
	if err := read(answer.Body); err != nil {
		return fmt.Errorf("read the answer to GET %s: %w", path, err)
	}
	return nil
}
