package hubspotsim

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// grace is how long requests that were on their way may still arrive after a 429 told the client to wait.
const grace = 50 * time.Millisecond

// open counts an arriving request, checks its token, the limits and the scopes, and chooses its fault. When it is not
// admitted the reply says why.
func (s *Sim) open(c *call, r *http.Request, status int) (admitted bool, rep reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	c.now, c.correlation = now.UnixMilli(), uuid(s.rng)
	s.count(c, r)
	if tokenOps[c.op] {
		return s.openToken(c, now)
	}
	st := &s.stats
	if now.After(s.quietFrom.Add(grace)) && now.Before(s.quietUntil) {
		st.Early++
	}
	b, expiredAt := s.bearerOf(c, r)
	if b == nil {
		st.Unauthorized++
		return false, c.unauthorized(expiredAt)
	}
	c.hub, c.static = b.hub, b.refresh == ""
	defer s.enter(c.hub)()
	if c.hub == s.cred.OtherPortalID && c.op != "account" {
		st.OtherAccount++
	}
	if policy := s.admit(c.op, now); policy != "" {
		st.Limited[policy]++
		return false, s.limited(c, policy)
	}
	switch {
	case status == http.StatusNotFound:
		return false, page(status, "404 Not Found")
	case status != 0:
		return false, c.refuse(status, problem{Message: "HTTP " + strconv.Itoa(status) + " Method Not Allowed"})
	case !c.allowed(b.grant):
		return false, c.missingScopes()
	}
	if writes[c.op] {
		s.countWrite(now)
		if strings.HasPrefix(c.op, "batch_") && c.op != "batch_archive" && len(c.rows) > 1 && !c.traced {
			st.Untraced++
		}
	}
	if consentWrites[c.op] {
		st.ConsentWrites++
	}
	if c.fault = s.nextFault(c.op); c.fault.kind == "" {
		c.fault = s.poisonRows(c)
	}
	if c.fault.kind != "" {
		st.Faults[c.fault.kind]++
	}
	return true, reply{}
}

// count enters a request into the books.
func (s *Sim) count(c *call, r *http.Request) {
	st := &s.stats
	st.Requests++
	st.Ops[c.op]++
	st.BytesIn += int64(len(c.body))
	st.FirstAt, st.LastAt = cmp.Or(st.FirstAt, c.now), c.now
	if c.api == apiV3 {
		st.Undated++
	}
	if !strings.HasPrefix(r.Header.Get("User-Agent"), "leadsync/") {
		st.Nameless++
	}
	if secretInURL(c) {
		st.SecretsInURL++
	}
}

// openToken admits a request of the token endpoints, which no bearer token and no limit but their own keeps out.
func (s *Sim) openToken(c *call, now time.Time) (admitted bool, rep reply) {
	if c.op == "token" {
		s.stats.TokenRequests++
		s.tokenLimit.limit = s.quirks.TokenPerSecond
		if !s.tokenLimit.take(now) {
			s.stats.Limited["token"]++
			return false, tokenLimited()
		}
	}
	if c.fault = s.nextFault(c.op); c.fault.kind != "" {
		s.stats.Faults[c.fault.kind]++
	}
	return true, reply{}
}

// bearerOf finds the token of a request: nil when it cannot be used, with the time it expired at, 0 for an unknown one.
func (s *Sim) bearerOf(c *call, r *http.Request) (b *bearer, expiredAt int64) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || s.bearers[token] == nil {
		return nil, 0
	}
	if b = s.bearers[token]; b.expiresAt != 0 && b.expiresAt <= c.now {
		return nil, b.expiresAt
	}
	return b, 0
}
