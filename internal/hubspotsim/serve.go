package hubspotsim

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is more than any batch of a hundred contacts needs.
const maxBody = 64 << 20

// maxAddress is how long an address may be. HubSpot answers long lists of properties with 414
// (https://developers.hubspot.com/docs/api-reference/error-handling, read 2026-11-22) and gives no figure; 8 KiB is
// what servers of its kind take.
const maxAddress = 8 << 10

// msgRequest is the one log line of this package.
const msgRequest = "simulated request"

// serve answers one request, with a Date of HubSpot's clock. An error means that there is no answer: the client gave
// up.
func (s *Sim) serve(r *http.Request) (reply, error) {
	rep, err := s.respond(r)
	if err != nil {
		return rep, err
	}
	if rep.header == nil {
		rep.header = http.Header{}
	}
	rep.header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	return rep, nil
}

func (s *Sim) respond(r *http.Request) (reply, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return reply{}, err
		}
	}
	if what, ok := adminOf(r.URL.Path); ok {
		return s.admin(r, what, body), nil
	}
	if account, ok := authorizeOf(r.URL.Path); ok {
		return s.authorize(r, account), nil
	}
	if len(r.URL.RequestURI()) > maxAddress {
		return page(http.StatusRequestURITooLong, "414 Request-URI Too Large"), nil
	}
	if len(body) > maxBody {
		return page(http.StatusRequestEntityTooLarge, "413 Request Entity Too Large"), nil
	}
	c, status := route(r.Method, r.URL.EscapedPath())
	if status != 0 {
		c = &call{op: "unknown", api: api202609}
	}
	c.method, c.query, c.body = r.Method, r.URL.Query(), body
	if status == 0 {
		c.broken = c.decode(r.Header.Get("Content-Type"))
	}
	admitted, rep := s.open(c, r, status)
	if err := wait(r.Context(), s.cfg.Latency/2); err != nil {
		return reply{}, s.gone(c, err)
	}
	var err error
	if admitted {
		if rep, err = s.act(r.Context(), c); err != nil {
			return reply{}, s.gone(c, err)
		}
	}
	if err := wait(r.Context(), s.cfg.Latency-s.cfg.Latency/2); err != nil {
		return reply{}, s.gone(c, err)
	}
	s.close(c, &rep)
	return rep, nil
}

// act does what the request asks, or what its fault makes of that.
func (s *Sim) act(ctx context.Context, c *call) (reply, error) {
	switch f := c.fault; f.kind {
	case "slow":
		if err := wait(ctx, f.wait); err != nil {
			return reply{}, err
		}
	case "late":
		// Applied although the client may be gone: the timer belongs to nobody, and ends by itself.
		time.AfterFunc(f.wait, func() { s.execute(c) })
		<-ctx.Done()
		return reply{}, context.Cause(ctx)
	case "hang":
		<-ctx.Done()
		return reply{}, context.Cause(ctx)
	}
	s.mu.Lock()
	rep, refused := s.refusal(c, c.fault)
	s.mu.Unlock()
	if refused {
		return rep, nil
	}
	rep = s.execute(c)
	rep.lost, rep.cut = c.fault.kind == "lost", c.fault.kind == "cut"
	return rep, nil
}

// execute runs the operation under the lock.
func (s *Sim) execute(c *call) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.enter(c.hub)()
	c.now = s.now().UnixMilli()
	if c.broken != nil {
		return c.badRequest(c.broken.Error())
	}
	switch c.fault.kind {
	case "drop":
		for i := range min(c.fault.n, len(c.rows)) {
			c.rows[i].hide, c.rows[i].skip = true, i%2 == 1
		}
		for i := range min(c.fault.n, len(c.subscribers)) {
			c.subscribers[i].hide, c.subscribers[i].skip = true, i%2 == 1
		}
	case "noids":
		c.mangle = true
	}
	if consentScopes[c.op] != nil {
		return s.consentCall(c)
	}
	switch c.op {
	case "batch_create":
		return s.batchWrite(c, s.createRow)
	case "batch_update":
		return s.batchWrite(c, s.updateRow)
	case "batch_upsert":
		return s.batchWrite(c, s.upsertRow)
	case "batch_read":
		return s.batchRead(c)
	case "batch_archive":
		return s.batchArchive(c)
	case "create":
		return s.single(c, s.createRow)
	case "update":
		return s.single(c, s.patchRow)
	case "get":
		return s.get(c)
	case "archive":
		return s.archiveOne(c)
	case "list":
		return s.list(c)
	case "merge":
		return s.mergeCall(c)
	case "gdpr_delete":
		return s.gdprDelete(c)
	case "search":
		return s.searchCall(c)
	case "properties":
		return s.propertiesCall(c)
	case "account":
		return s.account(c)
	case "token":
		return s.tokenCall(c)
	case "introspect":
		return s.introspectCall(c)
	case "revoke":
		return s.revokeCall(c)
	}
	return page(http.StatusNotFound, "404 Not Found")
}

// close finishes an answer: headers, counters, and the time until which the client is expected to be quiet.
func (s *Sim) close(c *call, rep *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	h := rep.header
	if h == nil {
		h = http.Header{}
	}
	if h.Get("Content-Type") == "" && len(rep.body) > 0 {
		h.Set("Content-Type", "application/json;charset=utf-8")
	}
	h.Set("X-Hubspot-Correlation-Id", c.correlation)
	if rep.status != http.StatusUnauthorized && !tokenOps[c.op] {
		s.rateHeaders(c, now, h)
	}
	rep.header = h
	switch {
	case tokenOps[c.op]:
	case rep.status == 477:
		s.quiet(now, now.Add(c.fault.wait))
	case rep.status != http.StatusTooManyRequests:
	case c.fault.kind == "429daily" || c.fault.kind == "" && strings.Contains(string(rep.body), `"`+policyDaily+`"`):
		s.quiet(now, s.midnight(now))
	case c.op != "search":
		s.quiet(now, now.Add(s.cfg.Window))
	}
	if rep.status == http.StatusTooManyRequests && c.fault.kind != "" {
		s.stats.Limited["fault"]++
		if c.op != "search" && !tokenOps[c.op] {
			h.Set("X-Hubspot-Ratelimit-Remaining", "0")
		}
	}
	status := strconv.Itoa(rep.status)
	if rep.lost || rep.cut {
		status = "none"
	}
	s.stats.Statuses[status]++
	s.stats.BytesOut += int64(len(rep.body))
	s.cfg.Log.Debug(msgRequest, slog.String("op", c.op), slog.String("status", status), slog.Int("rows", len(c.rows)+len(c.subscribers)),
		slog.String("fault", c.fault.kind), slog.String("correlation_id", c.correlation))
}

// gone counts a request whose client left before the answer.
func (s *Sim) gone(c *call, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Statuses["none"]++
	s.cfg.Log.Debug(msgRequest, slog.String("op", c.op), slog.String("status", "none"), slog.Int("rows", len(c.rows)+len(c.subscribers)),
		slog.String("fault", c.fault.kind), slog.String("correlation_id", c.correlation))
	return err
}

// wait sleeps on package time, so that it follows a synctest bubble, and ends early with the context.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
