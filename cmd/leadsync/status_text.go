package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/status"
	"leadsync/internal/store"
)

// mostPortals and mostProblems are how many of each the text shows: an application that writes a new name of a portal
// into every row must not flood the screen.
const (
	mostPortals  = 20
	mostProblems = 20
)

// writeReport writes the report for a person. Every text of it is made safe for a terminal.
func writeReport(out io.Writer, r status.Report) {
	line := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = visible(s)
			}
		}
		fmt.Fprintf(out, format+"\n", args...)
	}
	line("leadsync %s at %s: %s", r.Version, status.Clock(r.Now), verdict(r))
	line("daemon          %s", daemonLine(r))
	for i, p := range r.Portals {
		if i == mostPortals {
			line("\n(%d more portals, see --json)", len(r.Portals)-mostPortals)
			break
		}
		line("\nportal %s%s", status.Name(p.Portal), account(p))
		line("  lane          %s", laneLine(p, r.Now))
		line("  rows          pending %d, delivered %d, skipped %d, dead %d", p.Queue.Pending, p.Queue.Delivered, p.Queue.Skipped, p.Queue.Dead)
		if p.OldestPendingAt != nil {
			line("  oldest        waits since %s", moment(*p.OldestPendingAt, r.Now))
		}
		if reasons := status.Counted(p.DeadReasons); reasons != "" {
			line("  dead          %s", reasons)
		}
		if p.Owed.Leads > 0 {
			line("  owed          %s", owedLine(p.Owed))
		}
		if p.LastSuccessAt != nil {
			line("  last success  %s", moment(*p.LastSuccessAt, r.Now))
		}
		if budget := budgetLine(p.Budget); budget != "" {
			line("  budget        %s", budget)
		}
		for _, s := range p.Streams {
			line("  pull %-8s %s", s.Stream, streamLine(s, r.Now))
		}
		if p.Token.Mode != nil {
			line("  token         %s%s", *p.Token.Mode, expiry(p.Token, r.Now))
		}
	}
	if len(r.Problems) > 0 {
		line("\nproblems")
	}
	for i, p := range r.Problems {
		if i == mostProblems {
			line("(%d more problems, see --json)", len(r.Problems)-mostProblems)
			break
		}
		line("  %-18s  %s\n  %-18s  cure: %s", p.Code, p.Text, "", p.Cure)
	}
}

// owedLine is about values that were left out.
func owedLine(o status.Owed) string {
	more := ""
	if o.Leads >= store.MostOwed {
		more = "at least "
	}
	return fmt.Sprintf("%s%d left-out values of %d leads wait for their definition in HubSpot", more, o.Fields, o.Leads)
}

func verdict(r status.Report) string {
	switch {
	case !r.OK:
		return "something is wrong"
	case len(r.Problems) > 0:
		return "working, with problems"
	}
	return "ok"
}

func daemonLine(r status.Report) string {
	switch d := r.Daemon; {
	case d.Owner == nil:
		return "none, and there never was one"
	case !d.Alive:
		return "none; the last one was " + *d.Owner
	case d.Since == nil:
		return "alive, " + *d.Owner
	default:
		return "alive, " + *d.Owner + ", since " + moment(*d.Since, r.Now)
	}
}

func account(p status.Portal) string {
	if p.PortalID == nil {
		return ""
	}
	return ", HubSpot account " + strconv.FormatInt(*p.PortalID, 10)
}

func laneLine(p status.Portal, now int64) string {
	text := ""
	switch {
	case p.State != nil && p.Cause != nil:
		text = string(*p.State) + ": " + *p.Cause
	case p.State != nil:
		text = string(*p.State)
	case p.Cause != nil:
		text = *p.Cause
	default:
		text = "not known"
	}
	if p.Since != nil {
		text += ", since " + moment(*p.Since, now)
	}
	if p.Until > now {
		text += ", tried again in " + status.Elapsed(time.Duration(p.Until-now)*time.Millisecond)
	}
	return text
}

// moment is a point in time and how long ago it was.
func moment(ms, now int64) string {
	if outOfRange(ms) != "" {
		return outOfRange(ms)
	}
	return status.Clock(ms) + " (" + status.Elapsed(time.Duration(now-ms)*time.Millisecond) + ")"
}

func budgetLine(b status.Budget) string {
	part := func(used, limit *int64, what string) string {
		switch {
		case used == nil && limit == nil:
			return ""
		case used == nil:
			return "limit " + strconv.FormatInt(*limit, 10) + what
		case limit == nil:
			return strconv.FormatInt(*used, 10) + what + ", no limit"
		}
		return strconv.FormatInt(*used, 10) + " of " + strconv.FormatInt(*limit, 10) + what
	}
	var parts []string
	for _, p := range []string{part(b.WindowUsed, b.WindowLimit, " requests in 10 s"), part(b.DailyUsed, b.DailyLimit, " today")} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

// streamLine is how a stream of pull stands.
func streamLine(s status.Stream, now int64) string {
	parts := []string{"never ran"}
	if s.LastRunAt != nil {
		parts[0] = "last run " + moment(*s.LastRunAt, now)
	}
	if s.Watermark != nil {
		lag := ""
		if s.Lag != nil {
			lag = ", " + status.Elapsed(time.Duration(*s.Lag)*time.Millisecond) + " behind"
		}
		parts = append(parts, "read up to "+status.Clock(*s.Watermark)+lag)
	}
	switch {
	case s.RunningSince != nil:
		parts = append(parts, "running since "+moment(*s.RunningSince, now))
	case s.NextRunAt != nil && *s.NextRunAt > now:
		parts = append(parts, "next in "+status.Elapsed(time.Duration(*s.NextRunAt-now)*time.Millisecond))
	case s.NextRunAt != nil:
		parts = append(parts, "next now")
	}
	if s.Failing != nil {
		parts = append(parts, "FAILING: "+*s.Failing)
	}
	if s.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d firings skipped", s.Skipped))
	}
	return strings.Join(parts, ", ")
}

func expiry(t status.Token, now int64) string {
	switch {
	case t.ExpiresAt == nil:
		return ""
	case *t.ExpiresAt < now:
		return ", expired at " + status.Clock(*t.ExpiresAt)
	}
	return ", expires in " + status.Elapsed(time.Duration(*t.ExpiresAt-now)*time.Millisecond)
}
