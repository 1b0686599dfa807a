package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"leadsync/internal/status"
)

// printAuthReport writes the report: one object, or lines of name and value.
func (e *environment) printAuthReport(r *authReport, asJSON bool) error {
	if asJSON {
		inner := *e
		inner.stdout = safeJSON{e.stdout}
		return inner.printJSON(r)
	}
	var b bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", name, visible(fmt.Sprintf(format, args...)))
	}
	head := "connected"
	if !r.OK {
		head = "something is wrong"
	}
	line("state", "%s", head)
	line("mode", "%s", r.Mode)
	switch {
	case r.PortalID == nil:
		line("account", "not known")
	case r.Domain != nil:
		line("account", "%d, %s", *r.PortalID, *r.Domain)
	default:
		line("account", "%d", *r.PortalID)
	}
	if r.PinnedID != nil {
		line("pinned", "%d", *r.PinnedID)
	}
	if r.User != nil {
		line("user", "%s", *r.User)
	}
	if r.AppID != nil {
		line("app", "%d", *r.AppID)
	}
	if r.GrantedAt != nil {
		line("scopes", "%s", strings.Join(r.Scopes, " "))
		for _, m := range r.Missing {
			line("missing", "%s: %s", m.Scope, m.Disables)
		}
		if r.LeftMS != nil {
			line("token", "%s left, by HubSpot's own word", status.Elapsed(time.Duration(*r.LeftMS)*time.Millisecond))
		}
		line("refreshed", "%s", age(r.RefreshedAt))
		line("login", "%s", age(r.GrantedAt))
	}
	switch {
	case r.KeyID != nil && r.oldKey:
		line("sealed by", "key %s, an older line of the key file; the next refresh seals with the first line", *r.KeyID)
	case r.KeyID != nil:
		line("sealed by", "key %s", *r.KeyID)
	}
	for _, p := range r.Problems {
		line("problem", "%s: %s", p.Code, p.Text)
		line("  cure", "%s", p.Cure)
	}
	if _, err := e.stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
