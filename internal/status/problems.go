package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// Codes of problems, beside the words of the states paused, needs_login, degraded and down.
const (
	CodeNoDaemon         = "no_daemon"          // rows wait and nobody serves the portal
	CodeOldRows          = "old_rows"           // a row has waited longer than status.alert_after
	CodePausedByHand     = "paused_by_hand"     // an operator paused a lane
	CodeDeadRows         = "dead_rows"          // rows that need a person
	CodeStrays           = "stray_rows"         // rows that no daemon looks at
	CodeUnsupported      = "unsupported_events" // rows of event types that this version does not act on
	CodePullFailing      = "pull_failing"       // a stream of pull whose last run failed, while the lane is well
	CodeClock            = "clock"              // HubSpot's Date and the daemon's clock differ, or a position of pull lay beyond now
	CodeProperty         = "property"           // a mapped property that cannot be written
	CodeNotAllowed       = "not_allowed"        // deletes or erases are refused to the token, while other rows go on
	CodeUnsubscribesWait = "unsubscribes_wait"  // opt-outs cannot be carried out, while other rows go on
	CodeDeletesPaused    = "deletes_paused"     // more deletes and erases in an hour than push.max_deletes_per_hour
	CodeOtherVersion     = "other_version"      // the daemon is not of the version of this binary
	CodeStatusUnreadable = "status_unreadable"  // what the daemon saved cannot be read
)

// problems lists what is wrong with a portal, and whether it is well all the same.
func (p *Portal) problems(in Input) (all []Problem, well bool) {
	name := Name(p.Portal)
	say := func(code, text, cure string) {
		all = append(all, Problem{Code: code, Text: "portal " + name + ": " + text, Cure: cure})
	}
	well = true
	byHand := p.pausedByHand(in.Pauses)
	p.PausedByHand = byHand
	stall := p.stall(in)
	switch {
	case p.State != nil && !p.State.Well():
		well = false
		if code, text, cure := p.laneProblem(); *p.State != breaker.Paused || !slices.Contains(byHand, LaneLive) || p.snapshot.Kind != "" {
			if stall != nil {
				text += "; " + stall.Text
			}
			say(code, text, cure)
		}
	case stall != nil:
		well = false
		say(stall.Code, stall.Text, stall.Cure)
	}
	for _, one := range in.Pauses {
		if one.Portal == p.Portal {
			say(CodePausedByHand, "lane "+one.Lane+" was paused by hand"+by(one.By)+" at "+Clock(one.Since)+"; its rows wait", "let it go on: leadsync resume "+resumeWord(one.Lane))
		}
	}
	if !p.Served && p.Waiting > 0 {
		well = false
		cure := "start it: systemctl start leadsync"
		if p.Portal != in.Portal && p.row.Owner == "" {
			cure = "if the name is right, start an instance with it as portal; if not, correct it in the application, and skip the rows: " +
				"leadsync outbox skip --portal " + name + " --state pending"
		}
		say(CodeNoDaemon, count(p.Waiting, "row waits", "rows wait")+" and no daemon is alive", cure)
	}
	if waited := in.Now.Sub(time.UnixMilli(p.OldestWaitingAt)); in.AlertAfter > 0 && p.Served && p.OldestWaitingAt > 0 && waited > in.AlertAfter && stall == nil && len(byHand) == 0 {
		say(CodeOldRows, "the oldest pending row has waited for "+Elapsed(waited), "see its note: leadsync outbox list --portal "+name+" --state pending")
	}
	if p.Queue.Dead > 0 {
		say(CodeDeadRows, count(p.Queue.Dead, "row is dead", "rows are dead")+": "+counted(p.DeadReasons),
			"see why: leadsync outbox list --portal "+name+" --state dead; when that is mended: leadsync outbox retry --portal "+name+" --state dead")
	}
	if len(p.Unsupported) > 0 {
		say(CodeUnsupported, "rows of event types that this version does not act on wait: "+counted(p.Unsupported),
			"they block nothing; install a version that acts on them, or skip them by id")
	}
	if len(p.Strays) > 0 {
		say(CodeStrays, "no daemon looks at "+p.strays(),
			"correct them in the database: an id of its own, a number or NULL in not_before, 'pending' as the state; or delete them")
	}
	if p.broken {
		say(CodeStatusUnreadable, "what the daemon saved about itself cannot be read", "restart the daemon; it saves anew")
	}
	if !p.Served {
		return all, well
	}
	if p.fresh && !slices.Contains(byHand, LanePull) {
		for _, late := range slices.Concat(p.snapshot.Overdue(in.Now, in.AlertAfter), p.snapshot.OnlyFailing(in.Now, in.AlertAfter)) {
			well = false
			say(late.Code, late.Text, late.Cure)
		}
	}
	for _, s := range p.Streams {
		if s.Failing == nil || p.State == nil || !p.State.Well() || s.onlyFailing(in.Now, in.AlertAfter) && p.fresh {
			continue // said already, or the lane's own problem says it
		}
		one := s.failing(in.Now)
		say(one.Code, one.Text, one.Cure)
	}
	p.clocks(in.Now, say)
	for _, text := range p.snapshot.PropertyProblems {
		say(CodeProperty, text, "create or correct the property in HubSpot, or take it out of mapping.fields")
	}
	if cause := p.snapshot.ConsentCause; cause != "" {
		well = false
		say(CodeUnsubscribesWait, "unsubscribes wait: "+cause, cmp.Or(p.snapshot.ConsentCure, "it is tried again by itself"))
	}
	for _, text := range p.snapshot.Refused {
		well = false
		say(CodeNotAllowed, text, "grant the app in HubSpot what the cause names, then: leadsync auth login; it is tried again every hour by itself")
	}
	if at := p.snapshot.DeletesPausedAt; at != 0 {
		say(CodeDeletesPaused, "deletes and erases are paused since "+Clock(at)+": there were more in an hour than push.max_deletes_per_hour",
			"look at them: leadsync outbox list --portal "+name+" --state pending; when they are meant: leadsync resume --deletes")
	}
	if v := p.snapshot.Version; v != "" && in.Version != "" && v != in.Version {
		say(CodeOtherVersion, "the daemon is version "+v+", this command is version "+in.Version, "restart the daemon after an upgrade: systemctl restart leadsync")
	}
	return all, well
}

// clocks says what is wrong with the time. The work goes on beside it.
func (p *Portal) clocks(now time.Time, say func(code, text, cure string)) {
	const cure = "set this machine's clock: timedatectl set-ntp true; if it is right, look at the proxy on the way to HubSpot"
	if off := time.Duration(p.snapshot.ClockOff) * time.Millisecond; off != 0 && p.fresh {
		way := "ahead of"
		if off < 0 {
			way = "behind"
		}
		say(CodeClock, "HubSpot's answers are dated "+Elapsed(off.Abs())+" "+way+" this machine's clock", cure)
	}
	for _, s := range p.Streams {
		switch {
		case s.Watermark != nil && *s.Watermark > now.Add(clockGrace).UnixMilli():
			say(CodeClock, "stream "+s.Stream+" of pull stands at "+Clock(*s.Watermark)+", beyond now", cure+"; its next run sets it back and tells what was missed")
		case s.SetBackAt != nil && now.Sub(time.UnixMilli(*s.SetBackAt)) < setBackShown:
			say(CodeClock, "stream "+s.Stream+" of pull stood beyond now, and was set back at "+Clock(*s.SetBackAt)+"; what was missed is told", cure)
		}
	}
}

const (
	// clockGrace is how far a position may be beyond the clock of whoever asks.
	clockGrace = time.Minute
	// setBackShown is for how long status tells of a position that was set back.
	setBackShown = 24 * time.Hour
)

// stall is the problem of work that stands still; nil when it moves, or when nobody serves the portal, which is a
// problem of its own.
func (p *Portal) stall(in Input) *Problem {
	if !p.fresh {
		return nil
	}
	s := p.snapshot
	if p.Queue.Dead == 0 {
		s.Dead = 0 // they were put back, skipped or removed since
	}
	return s.Stall(in.Owners[p.Portal].Since, in.Now, in.AlertAfter)
}

// pausedByHand lists the lanes of the portal that an operator paused.
func (p *Portal) pausedByHand(all []store.Pause) (lanes []string) {
	for _, one := range all {
		if one.Portal == p.Portal {
			lanes = append(lanes, one.Lane)
		}
	}
	return lanes
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

func resumeWord(lane string) string {
	if lane == LaneUnsubscribe {
		return "--all"
	}
	return lane
}

// laneProblem words why the lane is not well.
func (p *Portal) laneProblem() (code, text, cure string) {
	state := *p.State
	switch {
	case p.silent:
		return string(state), "the daemon holds the portal, but has reported nothing since " + Clock(*p.Since),
			"see its log: journalctl -u leadsync; if it hangs, restart it: systemctl restart leadsync"
	case !p.Served:
		return string(state), "the daemon ended without releasing the portal; its last sign of life was at " + Clock(*p.Since),
			"see why: journalctl -u leadsync; start it: systemctl start leadsync"
	}
	text = "the lane is " + string(state)
	if p.Cause != nil {
		text += ": " + *p.Cause
	}
	if p.Since != nil {
		text += ", since " + Clock(*p.Since)
	}
	code = p.snapshot.code()
	if cure = p.snapshot.Cure; cure != "" {
		return code, text, cure
	}
	return code, text, cureOf(state, p.snapshot.Kind, p.Token.Mode)
}

// mostStrays is how many kinds of them are told: an application can write any word as the state.
const mostStrays = 5

// strays lists the rows that no daemon looks at: "7 rows with an id below 1, 1 row with the state \"done\"".
func (p *Portal) strays() string {
	kinds := slices.SortedFunc(maps.Keys(p.Strays), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.Strays[b], p.Strays[a]), cmp.Compare(a, b))
	})
	words := []string{}
	for _, why := range kinds[:min(len(kinds), mostStrays)] {
		words = append(words, count(p.Strays[why], "row", "rows")+" with "+why)
	}
	if more := len(kinds) - mostStrays; more > 0 {
		words = append(words, fmt.Sprintf("and %d more kinds", more))
	}
	return strings.Join(words, ", ")
}

// quoted shows a word that an application wrote.
func quoted(word string) string { return strconv.QuoteToASCII(word[:min(len(word), 32)]) }

// counted lists counts, the largest first: "invalid_email 7, gave_up 1".
func counted[K ~string](counts map[K]int64) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	words := make([]string, len(keys))
	for i, k := range keys {
		name := string(k)
		if name == "" {
			name = "without a reason"
		}
		words[i] = fmt.Sprintf("%s %d", name, counts[k])
	}
	return strings.Join(words, ", ")
}

// Counted is the dead reasons of a portal in words, the most frequent first; "" when there is none.
func Counted(reasons map[outbox.Reason]int64) string { return counted(reasons) }

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Name is a portal's name as it can stand in a line and in a command: the application may write anything into the
// column. Every shell takes it back and runs nothing of it, and a terminal cannot be disturbed by it.
func Name(portal string) string { return observe.ShellWord(portal) }

// Clock is a moment as it stands in a text: UTC, to the second.
func Clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }

// Elapsed is a duration with as much detail as a person needs: 45s, 12m, 3h5m, 4d7h. Less than nothing is 0s.
func Elapsed(d time.Duration) string {
	two := func(n, m time.Duration, big, small string) string {
		if m == 0 {
			return fmt.Sprintf("%d%s", n, big)
		}
		return fmt.Sprintf("%d%s%d%s", n, big, m, small)
	}
	switch d = max(0, d).Truncate(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return two(d/time.Hour, d%time.Hour/time.Minute, "h", "m")
	}
	return two(d/(24*time.Hour), d%(24*time.Hour)/time.Hour, "d", "h")
}
