package hubspotsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AdminPath is where the Sim itself is driven from: the paths below it, as AdminPath + "/stats". Admin requests need no
// token, count against no limit and take no time.
const AdminPath = "/_sim"

// adminOf recognises a path below AdminPath. One slash or name too many, as joining addresses by hand makes them, is
// forgiven.
func adminOf(path string) (what string, ok bool) {
	rest, ok := strings.CutPrefix(path, AdminPath+"/")
	return strings.TrimPrefix(strings.TrimLeft(rest, "/"), AdminPath[1:]+"/"), ok
}

var (
	errMethod = errors.New("method not allowed")
	errNoPath = errors.New("no such path")
)

// admin serves the paths below /_sim/. Bodies and answers are JSON, but faults, which is text.
//
//	GET  stats quirks            POST quirks (the switches to change)
//	GET  contacts                one JSON object a line
//	GET  changes                 what people changed, one JSON object a line; ?since=N leaves out the first N
//	GET  consent                 what happened to consent, one JSON object a line; ?email=ADDRESS only of that one
//	GET  subscriptions           the types              GET blocklist: addresses of privacy deletions; both one a line
//	GET  clock                   POST clock {"skew":"-90s"}: HubSpot's clock against ours
//	GET  faults                  POST faults (a script, "" clears; ?add=1 adds)
//	GET  credentials             the present ones of both accounts
//	GET  app                     POST app (the settings to change)
//	POST reset                   everything; ?stats=1 only the counters
//	POST index {"lag":"5s","spread":"30m"}   how long search lags
//	POST create {"properties"}               edit {"id"|"email","properties"}
//	POST archive, restore, purge {"id"|"email"}          optout {"email","in":false}
//	POST subscribe {"email","id","status"}   one subscription type of an address
//	POST merge {"primary","other"}           ids or addresses
//	POST bulk (Bulk)                         editall {"properties"}: every live contact at one moment
//	POST property (Property)     rule ([]Rule, replaces all)
//	POST token {"expired":false}             a new static token; the old one is unusable, or expired
//	POST expire {"refused":false}            every access token has expired, or is unusable
//	POST revoke {"token":"","account_gone":false}        one refresh token, or all
//	POST scopes {"token":"","scopes":[...]}  what a token may do; no scopes = all of the app's
//	POST client {"new_id":false}             a new client secret, and client id; answers the credentials
//	POST authorize {"answer":"deny","portal_id":0}       what the person at the authorize page does from now on
func (s *Sim) admin(r *http.Request, what string, body []byte) reply {
	v, err := s.adminDo(r, what, body)
	answer := func(status int, v any) reply {
		return reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: mustJSON(v)}
	}
	switch {
	case errors.Is(err, errMethod):
		return answer(http.StatusMethodNotAllowed, map[string]string{"error": err.Error()})
	case errors.Is(err, errNoPath), errors.Is(err, errNoContact), errors.Is(err, errNotInBin), errors.Is(err, errNoToken), errors.Is(err, errNoAccount):
		return answer(http.StatusNotFound, map[string]string{"error": err.Error()})
	case err != nil:
		return answer(http.StatusBadRequest, map[string]string{"error": err.Error()})
	}
	switch v := v.(type) {
	case func(http.ResponseWriter) error:
		return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-ndjson"}}, stream: v}
	case string:
		return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte(v + "\n")}
	case nil:
		return answer(http.StatusOK, struct{}{})
	}
	return answer(http.StatusOK, v)
}

func (s *Sim) adminDo(r *http.Request, what string, body []byte) (any, error) {
	read, known := s.adminReads()[what]
	write := s.adminWrites()[what]
	switch {
	case r.Method == http.MethodGet && known:
		return read(r.URL.Query()), nil
	case r.Method == http.MethodPost && write != nil:
		return write(r.URL.Query(), body)
	case known || write != nil:
		return nil, errMethod
	}
	return nil, errNoPath
}

func (s *Sim) adminReads() map[string]func(url.Values) any {
	return map[string]func(url.Values) any{
		"stats":         func(url.Values) any { return s.Stats() },
		"quirks":        func(url.Values) any { return s.Quirks() },
		"faults":        func(url.Values) any { return s.FaultsLeft() },
		"credentials":   func(url.Values) any { return s.Credentials() },
		"app":           func(url.Values) any { return s.App() },
		"contacts":      func(url.Values) any { return s.streamContacts },
		"subscriptions": func(url.Values) any { return stream(s.Subscriptions()) },
		"blocklist":     func(url.Values) any { return stream(s.Blocklist()) },
		"consent": func(query url.Values) any {
			address := normalAddress(query.Get("email"))
			return stream(slices.DeleteFunc(s.ConsentLog(), func(e ConsentEntry) bool { return address != "" && e.Address != address }))
		},
		"clock": func(url.Values) any { return s.clockNow() },
		"changes": func(query url.Values) any {
			n, _ := strconv.Atoi(query.Get("since")) // 0 = all of them
			return stream(s.ChangesSince(max(n, 0)))
		},
	}
}

// adminWrite does what a POST asks; a nil answer is {}.
type adminWrite func(query url.Values, body []byte) (any, error)

func (s *Sim) adminWrites() map[string]adminWrite {
	all := map[string]adminWrite{
		"faults": func(query url.Values, body []byte) (any, error) {
			if query.Get("add") != "" {
				return nil, s.Inject(string(body))
			}
			return nil, s.SetFaults(string(body))
		},
		"reset": func(query url.Values, _ []byte) (any, error) {
			if query.Get("stats") != "" {
				s.ResetStats()
				return nil, nil
			}
			return nil, s.Reset()
		},
		"quirks":   func(_ url.Values, body []byte) (any, error) { return s.mergeQuirks(body) },
		"property": withBody(func(in Property) (any, error) { return nil, s.DefineProperty(in) }),
		"rule":     withBody(func(in []Rule) (any, error) { s.SetRules(in); return nil, nil }),
		"token": withBody(func(in struct {
			Expired bool `json:"expired"`
		}) (any, error) {
			return map[string]string{"token": s.RotateToken(in.Expired)}, nil
		}),
		"expire": withBody(func(in struct {
			Refused bool `json:"refused"`
		}) (any, error) {
			s.EndTokens(!in.Refused)
			return nil, nil
		}),
		"revoke": withBody(func(in struct {
			Token       string `json:"token"`
			AccountGone bool   `json:"account_gone"`
		}) (any, error) {
			return nil, s.Revoke(in.Token, in.AccountGone)
		}),
		"scopes": withBody(func(in struct {
			Token  string   `json:"token"`
			Scopes []string `json:"scopes"`
		}) (any, error) {
			return nil, s.SetScopes(in.Token, in.Scopes)
		}),
		"client": withBody(func(in struct {
			NewID bool `json:"new_id"`
		}) (any, error) {
			return s.RotateClient(in.NewID), nil
		}),
		"authorize": withBody(func(in Authorize) (any, error) { return nil, s.SetAuthorize(in) }),
		"app": func(_ url.Values, body []byte) (any, error) {
			a := s.App()
			if err := decodeStrict(body, &a); err != nil {
				return nil, fmt.Errorf("read app: %w", err)
			}
			return nil, s.SetApp(a)
		},
	}
	maps.Copy(all, s.adminPeople())
	return all
}

// withBody reads a JSON object, or nothing at all, which is the zero value.
func withBody[T any](do func(T) (any, error)) adminWrite {
	return func(_ url.Values, body []byte) (any, error) {
		var in T
		if len(body) > 0 {
			if err := decodeStrict(body, &in); err != nil {
				return nil, fmt.Errorf("read body: %w", err)
			}
		}
		return do(in)
	}
}

// targetOf reads an id or an address.
func targetOf(text string) Target {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Target{ID: text}
	}
	return Target{Email: text}
}

// stream writes a list as one JSON object a line.
func stream[T any](list []T) func(http.ResponseWriter) error {
	return func(w http.ResponseWriter) error {
		enc := json.NewEncoder(w)
		for _, one := range list {
			if err := enc.Encode(one); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *Sim) streamContacts(w http.ResponseWriter) error {
	enc := json.NewEncoder(w)
	return s.EachContact(func(v ContactView) error { return enc.Encode(v) })
}
