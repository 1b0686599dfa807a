package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/doctor"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/people"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

func newDoctorCommand(env *environment) *cobra.Command {
	var asJSON, all, create bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the installation and the HubSpot account; exit code 3 when something is wrong",
		Long: "Looks at configuration, credentials, database, disk, unit, clocks, token, scopes, account, API version, every mapped property, the\n" +
			"ability to unsubscribe and the limits, and says of each fault what it is, why it matters and what cures it. One line when all\n" +
			"is well. It asks HubSpot about ten times and changes nothing there, except with --create-id-property, which makes the property\n" +
			"of mapping.id_property where it is missing. In mode oauth a token that has run out is renewed, as the daemon would.\n\n" +
			"--all also prints what was seen and is well, and what reading settled about this account where HubSpot's documents are silent.\n\n" +
			"Exit code 3: something is wrong. Notes alone are 0. A configuration that is refused is 78, as everywhere.",
		Example: "  leadsync doctor\n  leadsync doctor --json | jq 'select(.level == \"wrong\")'\n  leadsync doctor --create-id-property",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := env.load()
			if err != nil {
				return err
			}
			report, err := env.examine(c.Context(), cfg, create)
			if err != nil {
				return err
			}
			if err := env.printFindings(report, asJSON, all); err != nil {
				return err
			}
			if !report.OK() {
				return &exitError{code: exitWrong} // the report says why
			}
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&all, "all", false, "print what is well too")
	c.Flags().BoolVar(&create, "create-id-property", false, "create the property of mapping.id_property in HubSpot when it is missing")
	return c
}

// examine gathers what the doctor looks at. Whatever cannot be had goes in as its reason.
func (e *environment) examine(ctx context.Context, cfg *config.Loaded, create bool) (_ *doctor.Report, err error) {
	in := doctor.Input{Config: cfg, Version: readVersion().Version, Host: doctor.ThisHost(cfg.Credentials.Instance), CreateIDProperty: create}
	db, openErr := e.openUnchecked(ctx, cfg, store.Options{})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case openErr != nil:
		in.OpenError = openErr
		if store.IsUnavailable(openErr) {
			in.OpenError = errors.New(store.Cause(openErr))
		}
	default:
		defer func() { err = errors.Join(err, db.Close()) }()
		in.Database = db.Operator()
		if keys, err := e.keyring(cfg); err == nil && db.CheckSchema(ctx) == nil { // a missing file is told as what it is
			_, in.KeyError = db.Tokens().PersonKey(ctx, people.HashKeyName, nil, people.KeyMark(keys))
		}
	}
	end := e.connectDoctor(ctx, cfg, db, &in)
	defer end()
	report := doctor.Examine(ctx, in)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // half of a report says nothing
	}
	return report, nil
}

// connectDoctor finds out what is wrong with the token, and makes a client when there is one to ask with. end frees
// what it took.
func (e *environment) connectDoctor(ctx context.Context, cfg *config.Loaded, db *store.DB, in *doctor.Input) (end func()) {
	end = func() {}
	var pinned int64
	usable := db != nil && db.CheckSchema(ctx) == nil
	if usable {
		row, err := db.View(cfg.Portal).Row(ctx)
		if err != nil && !errors.Is(err, lead.ErrNotFound) {
			return end // the database's own findings say why
		}
		pinned = row.HubID
	}
	in.PinnedID = cmp.Or(cfg.HubSpot.PortalID, pinned)
	if len(cfg.Missing()) > 0 {
		return end // told as what they are
	}
	counts := db
	if !usable {
		counts = nil
	}
	dial, err := e.dial(ctx, cfg, counts)
	if err != nil {
		in.Unasked = err
		return end
	}
	if cfg.HubSpot.Auth.Mode != config.AuthStatic {
		if !usable {
			return end // the login is in the database
		}
		r := &authReport{OK: true, PinnedID: known(in.PinnedID)}
		if err := e.grantStatus(ctx, cfg, db, r); err != nil {
			in.Unasked = err
			return end
		}
		in.Token, in.Granted = r.Problems, r.Scopes
		if slices.ContainsFunc(r.Problems, func(p status.Problem) bool { return p.Code != codeMissingScopes }) {
			return end
		}
	}
	tokens, end, err := e.tokens(ctx, cfg, db, dial)
	if err != nil {
		in.Unasked = err
		return end
	}
	in.Hub, in.Budget = dial.Client(tokens), dial.Limiter.Budget
	return end
}

// printFindings writes the report. Facts are printed with --all or as JSON only.
func (e *environment) printFindings(r *doctor.Report, asJSON, all bool) error {
	if asJSON {
		inner := *e
		inner.stdout = safeJSON{e.stdout}
		for _, f := range r.Findings {
			f.What = observe.Mask(f.What)
			if err := inner.printJSON(f); err != nil {
				return err
			}
		}
		return nil
	}
	var b strings.Builder
	for _, f := range r.Findings {
		if f.Level == doctor.Fact && !all {
			continue
		}
		fmt.Fprintf(&b, "%-5s  %-10s  %s\n", f.Level, f.Check, visible(observe.Mask(f.What)))
		for _, line := range []struct{ name, text string }{{"why", f.Why}, {"cure", f.Cure}} {
			if line.text != "" {
				fmt.Fprintf(&b, "       %-10s  %s\n", line.name, visible(line.text))
			}
		}
	}
	wrong, notes := r.Count(doctor.Wrong), r.Count(doctor.Note)
	switch {
	case wrong > 0:
		fmt.Fprintf(&b, "%d wrong, %d to note, %d things looked at\n", wrong, notes, r.Checks)
	case notes > 0:
		fmt.Fprintf(&b, "nothing is wrong, %d to note, %d things looked at\n", notes, r.Checks)
	default:
		fmt.Fprintf(&b, "all is well: %d things looked at\n", r.Checks)
	}
	if _, err := io.WriteString(e.stdout, b.String()); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	return nil
}
