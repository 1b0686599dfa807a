package app

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A random history of everything that can happen to a portal, run through the whole daemon and held against a plain
// model that knows nothing of how push works: the guarantees G1 to G5, one contact a lead, one lead a contact. A
// history that breaks a rule prints itself as a script of one line a step, which LEADSYNC_SCRIPT=FILE plays again.
func TestModel(t *testing.T) {
	t.Parallel()
	playHistories(t, 40, 10, history)
}

// playHistories runs as many random histories as it should, or those of the environment.
func playHistories(t *testing.T, long, short int, history func(*rapid.T) script) {
	t.Helper()
	checks := testsize.Histories(long, short)
	if file := os.Getenv("LEADSYNC_SCRIPT"); file != "" {
		text, err := os.ReadFile(file)
		must(t, err)
		h, err := parseScript(string(text))
		must(t, err)
		for range checks {
			if broken := h.run(t); len(broken) > 0 {
				t.Fatalf("%s\n%s", strings.Join(broken, "\n"), h)
			}
		}
		return
	}
	for name, value := range map[string]string{"checks": strconv.Itoa(checks), "seed": fmt.Sprint(testsize.Seed(t)), "nofailfile": "true", "shrinktime": "15s"} {
		must(t, flag.Set("rapid."+name, value))
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := history(rt)
		if broken := h.run(t); len(broken) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(broken, "\n"), h)
		}
	})
}

// A script is one history: how the portal is set up, and the steps.
type script struct {
	dead     bool   // push.on_invalid_field
	shared   bool   // leads may name each other's addresses
	idProp   bool   // mapping.id_property
	winner   string // of company and city, which then flow both ways; empty = nothing is mapped
	quirk    string // one of quirkNames, empty = none
	lateness bool   // requests may be executed long after our time-out
	both     bool   // people's work, consent and erasure too, with pull running (TestModelBothWays)
	steps    []step
}

// step is one line of a script; which of the fields count depends on the word.
type step struct {
	word   string
	lead   int
	n      int
	typ    string
	email  int // index of an address, -1 = none
	fields map[string]string
	text   string
}

func (s script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "portal dead=%t shared=%t idProp=%t winner=%q quirk=%q lateness=%t both=%t\n", s.dead, s.shared, s.idProp, s.winner, s.quirk, s.lateness,
		s.both)
	for _, st := range s.steps {
		b.WriteString("  " + st.String() + "\n")
	}
	return b.String()
}

func (st step) String() string {
	switch st.word {
	case "insert", "hold":
		var fields []string
		for _, f := range slices.Sorted(maps.Keys(st.fields)) {
			fields = append(fields, f+"="+st.fields[f])
		}
		return fmt.Sprintf("%s %d %d %s %d %s", st.word, st.lead, st.n, st.typ, st.email, strings.Join(fields, ","))
	case "faults", "sleep":
		return st.word + " " + st.text
	}
	return fmt.Sprintf("%s %d %d %d", st.word, st.lead, st.n, st.email)
}

// parseScript reads what String writes, so that a failing history can be played again from a file.
func parseScript(text string) (script, error) {
	var s script
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		st := step{word: word}
		var err error
		switch word {
		case "":
			continue
		case "portal":
			_, err = fmt.Sscanf(rest, "dead=%t shared=%t idProp=%t winner=%q quirk=%q lateness=%t both=%t", &s.dead, &s.shared, &s.idProp, &s.winner, &s.quirk,
				&s.lateness, &s.both)
			if err != nil {
				return s, fmt.Errorf("%q: %w", line, err)
			}
			continue
		case "insert", "hold":
			var fields string
			if n, _ := fmt.Sscanf(rest, "%d %d %s %d %s", &st.lead, &st.n, &st.typ, &st.email, &fields); n < 4 {
				err = errors.New("want LEAD LANE TYPE ADDRESS FIELDS")
			}
			st.fields = map[string]string{}
			for part := range strings.SplitSeq(fields, ",") {
				if f, v, ok := strings.Cut(part, "="); ok {
					st.fields[f] = v
				}
			}
		case "faults", "sleep":
			st.text = rest
		default:
			_, err = fmt.Sscanf(rest, "%d %d %d", &st.lead, &st.n, &st.email)
		}
		if err != nil {
			return s, fmt.Errorf("%q: %w", line, err)
		}
		s.steps = append(s.steps, st)
	}
	return s, nil
}

const modelLeads, modelAddresses = 4, 5

// The fields of the histories. The status is an enumeration: NEW goes through, OPEN is refused by HubSpot, NOPE by our
// own check.
var modelFields = []string{"company", "city", "hs_lead_status"}

func modelValue(field string, n int) string {
	if field == "hs_lead_status" {
		return []string{"NEW", "OPEN", "NOPE", ""}[n%4]
	}
	return []string{"A", "B", "C", ""}[n%4]
}

// Faults of every kind. A daily limit is left out, since a day of waiting is too long here (TestG5OutageCostsNothing
// has it).
var (
	modelOps   = []string{"batch_create", "batch_update", "batch_upsert", "batch_read", "get", "any", "api"}
	modelKinds = []string{"500", "502html", "524", "hang", "lost", "cut", "empty200", "noids", "drop:1", "drop:2", "late:3s", "slow:2s",
		"401", "403", "423", "429", "477:3", "400", "409"}
)

func history(rt *rapid.T) script {
	s := script{
		dead:     rapid.Bool().Draw(rt, "dead"),
		shared:   rapid.Bool().Draw(rt, "shared"),
		idProp:   rapid.IntRange(0, 3).Draw(rt, "idProp") == 3,
		lateness: rapid.IntRange(0, 5).Draw(rt, "lateness") == 5,
	}
	s.winner = rapid.SampledFrom([]string{"", "", "hubspot", "app", "fill_empty"}).Draw(rt, "winner")
	if rapid.IntRange(0, 2).Draw(rt, "odd") == 2 {
		s.quirk = rapid.SampledFrom(quirkNames).Draw(rt, "quirk")
	}
	kinds := modelKinds
	if s.lateness {
		kinds = append([]string{"late:40s", "late:20s"}, kinds...)
	}
	few := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step { return drawStep(rt, kinds) }), 0, 10)
	for range 4 { // rapid's slices are short; four of them make about twenty steps and still shrink to one
		s.steps = append(s.steps, few.Draw(rt, "steps")...)
	}
	return s
}

func drawStep(rt *rapid.T, kinds []string) step {
	st := step{lead: rapid.IntRange(1, modelLeads).Draw(rt, "lead"), email: -1}
	words := []string{"insert", "insert", "insert", "insert", "insert", "insert", "insert", "sleep", "sleep", "sleep", "faults", "faults",
		"hold", "commit", "swap", "requeue", "requeue", "skip", "restart", "edit", "address", "merge", "archive", "purge", "person"}
	st.word = rapid.SampledFrom(words).Draw(rt, "word")
	switch st.word {
	case "insert", "hold":
		st.typ = rapid.SampledFrom([]string{"lead.registered", "lead.updated", "lead.updated"}).Draw(rt, "type")
		if st.typ == "lead.registered" || rapid.Bool().Draw(rt, "moves") {
			st.email = rapid.IntRange(0, modelAddresses-1).Draw(rt, "email")
		}
		st.fields = map[string]string{}
		for range rapid.IntRange(0, 2).Draw(rt, "fields") {
			f := rapid.SampledFrom(modelFields).Draw(rt, "field")
			st.fields[f] = modelValue(f, rapid.IntRange(0, 3).Draw(rt, "value"))
		}
		st.n = rapid.IntRange(0, 9).Draw(rt, "lane")
	case "faults":
		var parts []string
		for range rapid.IntRange(0, 3).Draw(rt, "faults") {
			op, kind := rapid.SampledFrom(modelOps).Draw(rt, "op"), rapid.SampledFrom(kinds).Draw(rt, "kind")
			part := op + "=" + kind
			if n := rapid.IntRange(1, 5).Draw(rt, "times"); n < 5 {
				part += "x" + strconv.Itoa(n)
			}
			if blind := strings.HasPrefix(kind, "drop") || kind == "empty200"; blind && (op == "any" || op == "api" || op == "batch_read") {
				part = op + "=" + kind + "x1" // a HubSpot that hides what it did in answer after answer cannot be worked with
			}
			parts = append(parts, part)
		}
		st.text = strings.Join(parts, ",")
	case "sleep":
		st.text = rapid.SampledFrom([]string{"100ms", "300ms", "1s", "3s", "16s", "40s", "130s"}).Draw(rt, "time")
	case "address", "person":
		st.email = rapid.IntRange(0, modelAddresses-1).Draw(rt, "email")
		st.n = rapid.IntRange(0, 3).Draw(rt, "n")
	default:
		st.n = rapid.IntRange(0, 3).Draw(rt, "n")
	}
	return st
}

// quirkNames are the switches of the simulator that the push path touches.
var quirkNames = []string{"trace_on_success", "partial_200", "detailed_row_errors", "keep_old_address", "taken_is_400", "secondary_misses",
	"defaults_only", "whole_400 named", "whole_400 unnamed", "archived_conflicts", "merge_keeps_primary_id", "read_follows_merges",
	"duplicate_folds_case", "rewrites_values", "no_warnings", "upsert_by_email_blanks"}

// setQuirk turns a switch on by its name.
func setQuirk(q *hubspotsim.Quirks, name string) {
	switch name {
	case "":
	case "trace_on_success":
		q.TraceOnSuccess = true
	case "partial_200":
		q.Partial200 = true
	case "detailed_row_errors":
		q.DetailedRowErrors = true
	case "keep_old_address":
		q.KeepOldAddress = true
	case "taken_is_400":
		q.TakenIs400 = true
	case "secondary_misses":
		q.SecondaryMisses = true
	case "defaults_only":
		q.DefaultsOnly = true
	case "whole_400 named":
		q.Whole400 = "named"
	case "whole_400 unnamed":
		q.Whole400 = "unnamed"
	case "archived_conflicts":
		q.ArchivedConflicts = true
	case "merge_keeps_primary_id":
		q.MergeKeepsPrimaryID = true
	case "read_follows_merges":
		q.ReadFollowsMerges = true
	case "duplicate_folds_case":
		q.DuplicateFoldsCase = true
	case "rewrites_values":
		q.RewritesValues = true
	case "no_warnings":
		q.NoWarnings = true
	case "upsert_by_email_blanks":
		q.UpsertByEmailBlanks = true
	case "optout_bumps_modified":
		q.OptoutBumpsModified = true
	case "restore_keeps_modified":
		q.RestoreKeepsModified = true
	case "purge_missing_404":
		q.PurgeMissing404 = true
	default:
		panic("unknown quirk " + name)
	}
}
