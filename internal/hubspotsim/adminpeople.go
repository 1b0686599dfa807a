package hubspotsim

import (
	"fmt"
	"net/url"
	"time"
)

// adminPeople are the POSTs that do what a person does in HubSpot's screens, and those that set its clock and its
// index.
func (s *Sim) adminPeople() map[string]adminWrite {
	type values struct {
		Target
		Properties map[string]string `json:"properties"`
	}
	return map[string]adminWrite{
		"create": withBody(func(in values) (any, error) {
			id, err := s.Create(in.Properties)
			return map[string]string{"id": id}, err
		}),
		"edit": withBody(func(in values) (any, error) { return nil, s.Edit(in.Target, in.Properties) }),
		"editall": withBody(func(in values) (any, error) {
			n, err := s.EditAll(in.Properties)
			return map[string]int{"edited": n}, err
		}),
		"bulk": withBody(func(in Bulk) (any, error) {
			first, last, err := s.Import(in)
			return map[string]string{"first": first, "last": last}, err
		}),
		"merge": withBody(func(in struct{ Primary, Other string }) (any, error) {
			id, err := s.Merge(targetOf(in.Primary), targetOf(in.Other))
			return map[string]string{"id": id}, err
		}),
		"archive": withBody(func(in Target) (any, error) { return nil, s.Archive(in) }),
		"restore": withBody(func(in Target) (any, error) { return nil, s.Restore(in) }),
		"purge":   withBody(func(in Target) (any, error) { return nil, s.Purge(in) }),
		"optout": withBody(func(in struct {
			Email string `json:"email"`
			In    bool   `json:"in"`
		}) (any, error) {
			s.Optout(in.Email, !in.In)
			return nil, nil
		}),
		"subscribe": withBody(func(in struct {
			Email  string `json:"email"`
			ID     int64  `json:"id"`
			Status string `json:"status"`
		}) (any, error) {
			return nil, s.Subscribe(in.Email, in.ID, in.Status)
		}),
		"clock": func(_ url.Values, body []byte) (any, error) {
			var in struct {
				Skew string `json:"skew"`
			}
			if err := decodeStrict(body, &in); err != nil {
				return nil, fmt.Errorf("read body: %w", err)
			}
			skew, err := readSpan(in.Skew)
			if err != nil {
				return nil, fmt.Errorf("read skew: %w", err)
			}
			s.SetSkew(skew)
			return s.clockNow(), nil
		},
		"index": withBody(func(in struct{ Lag, Spread string }) (any, error) {
			lag, err := readSpan(in.Lag)
			if err != nil {
				return nil, fmt.Errorf("read lag: %w", err)
			}
			spread, err := readSpan(in.Spread)
			if err != nil {
				return nil, fmt.Errorf("read spread: %w", err)
			}
			return nil, s.SetIndexLag(lag, spread)
		}),
	}
}

// clockView is the answer of the clock paths.
type clockView struct {
	Now  int64  `json:"now"` // HubSpot's, unix ms
	Skew string `json:"skew"`
}

func (s *Sim) clockNow() clockView {
	return clockView{s.now().UnixMilli(), time.Duration(s.skew.Load()).String()}
}

// readSpan reads a duration; "" = none.
func readSpan(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}
