package listen

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"leadsync/internal/status"
)

//go:embed page.css
var style string

//go:embed page.html
var markup string

// policy forbids everything but the page's own style, which is named by its hash.
// https://www.w3.org/TR/CSP3/ (read 2026-11-24)
var policy = "default-src 'none'; style-src 'sha256-" + hash(style) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var page = template.Must(template.New("page").Parse(markup))

// view is what the template shows. Every text of it is escaped by the template.
type view struct {
	Style   template.CSS
	Portal  string
	Account string
	Version string
	Now     string
	Mark    string // of the style: good, warn, bad
	Verdict string
	Lane    string
	Since   string
	Tiles   []tile
	Red     []status.Problem // what makes the work stand still
	Others  []status.Problem
	More    int
	Charts  []Chart
	Facts   []fact
	Trouble string // the report could not be made
}

type tile struct{ Name, Value, Note, Mark string }

type fact struct{ Name, Value string }

// mostShown bounds the problems of the page: an application may write a new name of a portal into every row.
const mostShown = 12

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v := view{Style: template.CSS(style), Now: status.Clock(time.Now().UnixMilli()), Charts: charts(s.cfg.Source.History(), time.Now()),
		Red: s.cfg.Source.Health().Problems}
	report, err := s.cfg.Source.Report(r.Context())
	if err != nil {
		v.Mark, v.Verdict, v.Trouble = "bad", "The database gives no answer", err.Error()
	} else {
		v.fill(report)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		s.cfg.Log.ErrorContext(r.Context(), msgPage, "err", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

const msgPage = "the status page could not be made"

func (v *view) fill(r status.Report) {
	p := r.Portals[0] // the one of the configuration
	v.Portal, v.Version, v.Now = status.Name(p.Portal), r.Version, status.Clock(r.Now)
	if p.PortalID != nil {
		v.Account = fmt.Sprint(*p.PortalID)
	}
	red := map[string]bool{}
	for _, one := range v.Red {
		red[one.Code] = true
	}
	for _, one := range r.Problems {
		if !red[one.Code] {
			v.Others = append(v.Others, one)
		}
	}
	if v.More = len(v.Others) - mostShown; v.More > 0 {
		v.Others = v.Others[:mostShown]
	}
	switch {
	case !r.OK || len(v.Red) > 0:
		v.Mark, v.Verdict = "bad", "Something is wrong"
	case len(r.Problems) > 0:
		v.Mark, v.Verdict = "warn", "Working, with problems"
	default:
		v.Mark, v.Verdict = "good", "All is well"
	}
	v.Lane = "not known"
	if p.State != nil {
		v.Lane = string(*p.State)
	}
	if p.Cause != nil {
		v.Lane += ": " + *p.Cause
	}
	if p.Since != nil {
		v.Since = ago(*p.Since, r.Now)
	}
	v.Tiles = tiles(p, r.Now)
	v.Facts = facts(r, p)
}

func ago(ms, now int64) string { return status.Elapsed(time.Duration(now-ms) * time.Millisecond) }

func tiles(p status.Portal, now int64) []tile {
	waiting := tile{Name: "Waiting", Value: counted(float64(p.Queue.Pending)), Note: "rows"}
	if p.OldestWaitingAt > 0 {
		waiting.Note = "rows, the oldest for " + ago(p.OldestWaitingAt, now)
	}
	dead := tile{Name: "Dead", Value: counted(float64(p.Queue.Dead)), Note: "rows"}
	if p.Queue.Dead > 0 {
		dead.Mark, dead.Note = "bad", status.Counted(p.DeadReasons)
	}
	answer := tile{Name: "HubSpot answered", Value: "not yet", Note: "by what is known here"}
	if p.LastSuccessAt != nil {
		answer.Value, answer.Note = ago(*p.LastSuccessAt, now), "ago"
	}
	budget := tile{Name: "Requests today", Value: "–", Note: "not counted"}
	if b := p.Budget; b.DailyUsed != nil {
		budget.Value, budget.Note = counted(float64(*b.DailyUsed)), "no limit of our own"
		if b.DailyLimit != nil && *b.DailyLimit > 0 {
			budget.Note = fmt.Sprintf("%d %% of %s", 100**b.DailyUsed / *b.DailyLimit, counted(float64(*b.DailyLimit)))
		}
	}
	return []tile{waiting, {Name: "Delivered", Value: counted(float64(p.Queue.Delivered)), Note: "rows still kept"}, dead, answer, budget}
}

func facts(r status.Report, p status.Portal) []fact {
	out := []fact{{"Daemon", "none"}}
	if d := r.Daemon; d.Alive && d.Owner != nil {
		out[0].Value = *d.Owner
		if d.Since != nil {
			out[0].Value += ", for " + ago(*d.Since, r.Now)
		}
	}
	if p.Token.Mode != nil {
		word := *p.Token.Mode
		if at := p.Token.ExpiresAt; at != nil {
			word += ", expires in " + ago(r.Now, *at)
		}
		out = append(out, fact{"Token", word})
	}
	if b := p.Budget; b.WindowUsed != nil && b.WindowLimit != nil {
		out = append(out, fact{"Requests in 10 s", fmt.Sprintf("%d of %d", *b.WindowUsed, *b.WindowLimit)})
	}
	out = append(out, fact{"Skipped", counted(float64(p.Queue.Skipped)) + " rows still kept"})
	for _, s := range p.Streams {
		word := "idle"
		switch {
		case s.RunningSince != nil:
			word = "running"
		case s.Failing != nil:
			word = "failing: " + *s.Failing
		}
		if s.Lag != nil {
			word += ", " + seconds(float64(*s.Lag)/1000) + " behind"
		}
		out = append(out, fact{"Stream " + s.Stream, word})
	}
	return out
}
