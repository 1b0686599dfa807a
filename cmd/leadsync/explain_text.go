package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"leadsync/internal/explain"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
)

// printStory writes the story for a person; every text of it is made safe for a terminal.
func (e *environment) printStory(s *explain.Story, now time.Time) error {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		for i, a := range args {
			if word, ok := a.(string); ok {
				args[i] = visible(word)
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("lead %s of portal %s, in logs %s", quoteEmpty(s.LeadID), status.Name(s.Portal), s.LeadHash)
	line("contact  %s", contactLine(s, now))
	if text := evidenceLine(s); text != "" {
		line("evidence %s", text)
	}
	if len(s.Others) > 0 {
		line("also     %s", strings.Join(s.Others, ", ")+" go by that name")
	}

	line("\nevents")
	if s.MoreEvents {
		line("  (the newest %d are told)", len(s.Events))
	}
	table := newTable(&b)
	for _, ev := range s.Events {
		table.row("  "+fmt.Sprint(ev.ID), shortTime(ev.CreatedAt), strings.TrimPrefix(ev.Type, "lead."), stateWord(ev), cut(strings.Join(ev.Carries, " "), 40), because(ev, now))
	}
	flushed := errors.Join(table.Flush(), table.err)

	if len(s.Requests) > 0 {
		line("\nrequests about it (the last %d)", len(s.Requests))
		table = newTable(&b)
		for _, r := range s.Requests {
			code := ""
			if r.Status != 0 {
				code = fmt.Sprint(r.Status)
			}
			table.row("  "+shortTime(r.StartedAt), r.Op, code, r.Answer, fmt.Sprintf("%d ms", r.ElapsedMS), r.CorrelationID)
		}
		flushed = errors.Join(flushed, table.Flush(), table.err)
	}

	if len(s.Fields) > 0 {
		line("\nledger: what HubSpot is known to hold%s", liveWord(s))
		table = newTable(&b)
		header := []string{"  PROPERTY", "SENT", "SEEN", "EVENT", "RULE", "STANDS"}
		if s.Live != nil && s.Live.Found {
			header = []string{"  PROPERTY", "SENT", "SEEN", "NOW", "EVENT", "RULE", "STANDS"}
		}
		table.row(header...)
		for _, f := range s.Fields {
			cells := []string{"  " + f.Property, cut(f.Sent, 32), cut(f.Seen, 32)}
			if s.Live != nil && s.Live.Found {
				shown := "(not shown)"
				if f.Live != nil {
					shown = cut(*f.Live, 32)
				}
				cells = append(cells, shown)
			}
			table.row(append(cells, setBy(f.SetBy), f.Rule, f.Verdict)...)
		}
		flushed = errors.Join(flushed, table.Flush(), table.err)
	}
	if s.Live != nil && s.Live.Trouble != "" {
		line("\nHubSpot was not asked: %s", s.Live.Trouble)
	}

	line("\nnext")
	for _, n := range s.Next {
		line("  %s", n)
	}
	if flushed != nil {
		return fmt.Errorf("print story: %w", flushed)
	}
	if _, err := e.stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("print story: %w", err)
	}
	return nil
}

func contactLine(s *explain.Story, now time.Time) string {
	c := s.Contact
	if c == nil || c.State == ledger.None && c.ID == "" {
		return "none yet"
	}
	words := map[ledger.State]string{ledger.Linked: "linked", ledger.Gone: "archived by people in HubSpot", ledger.Purged: "erased in HubSpot", ledger.Passive: "merged into another lead's contact", ledger.None: "not linked"}
	text := c.ID + ", " + words[c.State]
	if s.PortalID != 0 {
		text += fmt.Sprintf(", account %d", s.PortalID)
	}
	if c.Address != "" {
		text += ", " + c.Address
	}
	if c.Consent != "" {
		text += ", consent: " + c.Consent
	}
	switch {
	case s.Live != nil && s.Live.Trouble == "" && !s.Live.Found:
		text += "; HubSpot has no such contact now"
	case s.Live != nil && s.Live.Updated > 0:
		text += "; last changed there " + moment(s.Live.Updated, now.UnixMilli())
	}
	return text
}

// evidenceLine says why the contact is the lead's.
func evidenceLine(s *explain.Story) string {
	c := s.Contact
	if c == nil || c.ID == "" && len(c.Had) == 0 {
		return ""
	}
	text := "none: " + c.Evidence.Says()
	if c.Evidence != "" {
		text = string(c.Evidence) + ": " + c.Evidence.Says()
	}
	if c.Found {
		text += "; it was there before the lead was linked to it (erase.adopted)"
	}
	if len(c.Had) > 0 {
		had := make([]string, 0, len(c.Had))
		for _, id := range c.Had[:min(len(c.Had), 5)] {
			had = append(had, string(id))
		}
		if n := len(c.Had) - len(had); n > 0 {
			had = append(had, fmt.Sprintf("%d more", n))
		}
		text += "; the lead had " + strings.Join(had, ", ") + " before"
	}
	return text
}

func liveWord(s *explain.Story) string {
	if s.Live != nil && s.Live.Found {
		return ", beside what it holds now"
	}
	return ""
}

func stateWord(ev explain.Event) string {
	if ev.Reason != "" {
		return string(ev.State) + "/" + ev.Reason
	}
	return string(ev.State)
}

// because is the rule, with what the row itself adds to it.
func because(ev explain.Event, now time.Time) string {
	parts := []string{ev.Rule}
	if ev.Note != "" {
		parts = append(parts, ev.Note)
	}
	if n := len(ev.FoldedWith); n > 0 {
		ids := make([]string, 0, min(n, 5))
		for _, id := range ev.FoldedWith[:min(n, 5)] {
			ids = append(ids, fmt.Sprint(id))
		}
		if n > 5 {
			ids = append(ids, fmt.Sprintf("%d more", n-5))
		}
		parts = append(parts, "in one write with "+strings.Join(ids, " "))
	}
	if ev.Attempts > 0 {
		parts = append(parts, fmt.Sprintf("%d tries failed", ev.Attempts))
	}
	if ev.NotBefore != nil && ev.State == outbox.Pending && *ev.NotBefore != outbox.Parked && *ev.NotBefore > now.UnixMilli() {
		parts = append(parts, "not before "+shortTime(*ev.NotBefore))
	}
	if ev.CorrelationID != "" {
		parts = append(parts, "correlation id "+ev.CorrelationID)
	}
	return strings.Join(parts, "; ")
}

func setBy(id int64) string {
	if id == 0 {
		return "HubSpot"
	}
	return fmt.Sprint(id)
}

func quoteEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return s
}
