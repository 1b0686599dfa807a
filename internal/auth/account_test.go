package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspotsim"
)

// otherAccount lets the token endpoint name another account than the one that the refresh token is for.
type otherAccount struct {
	next     http.RoundTripper
	was, now int64
}

func (o otherAccount) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	body = []byte(strings.ReplaceAll(string(body), fmt.Sprintf(`"hub_id":%d`, o.was), fmt.Sprintf(`"hub_id":%d`, o.now)))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// The account that HubSpot names beside a refreshed pair counts: the pair of another one is stored with that account's
// name and used for nothing, by this process or by the next. An answer that names no account leaves the name as it was.
func TestAccountOfARefreshedPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 41})
		s := r.source("one")
		r.tokenOf(s)
		was := r.grant()

		must(t, r.sim.SetFaults("token=noidsx1"))
		time.Sleep(time.Hour)
		r.tokenOf(s)
		if g := r.grant(); g.HubID != was.HubID || g.Generation != was.Generation+1 {
			t.Errorf("after an answer without an account: account %d, generation %d", g.HubID, g.Generation)
		}

		r.base = otherAccount{r.base, was.HubID, was.HubID + 1}
		s = r.source("two")
		r.tokenOf(s)
		time.Sleep(time.Hour)
		_, _, err := s.Token(t.Context())
		if e, ok := errors.AsType[*auth.AccountError](err); !ok || e.Have != was.HubID+1 {
			t.Errorf("after the answer of another account: %v", err)
		}
		if g := r.grant(); g.HubID != was.HubID+1 {
			t.Errorf("the pair is stored for account %d", g.HubID)
		}
	})
}
