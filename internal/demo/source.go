package demo

import (
	"context"
	"fmt"

	"leadsync/internal/files"
	"leadsync/internal/importer"
	"leadsync/internal/leadgen"
	"leadsync/internal/outbox"
)

// source is what the application has to insert.
type source struct {
	first []event // what the leads begin with, in order
	// own says that the leads are invented here, so their values may be shown and every ending is known beforehand.
	own bool
	gen *leadgen.Generator
}

// event is one row as the application inserts it.
type event struct {
	eventID, leadID, kind string // eventID "" = none
	email                 *string
	properties            string
	lane                  string // "" = the database's default, live
	occurredAt            *int64
	// want are the endings that are right, as state or state/reason; none = whatever package replay can explain.
	want []string
}

// The endings of rows whose fate the story decides.
var (
	wellEnded     = []string{"delivered", "skipped/unchanged"}
	endsUnchanged = []string{"skipped/unchanged"}
	endsDuplicate = []string{"skipped/duplicate"}
)

func dead(reason string) []string { return []string{"dead/" + reason} }

// readSource generates the leads, or reads the file.
func readSource(ctx context.Context, o Options) (*source, error) {
	s := &source{own: o.File == "", gen: leadgen.New(o.Seed)}
	if !s.own {
		return s, s.readFile(ctx, o)
	}
	for l := range s.gen.Leads(o.Leads) {
		s.first = append(s.first, event{leadID: string(l.ID), kind: string(outbox.Registered), email: &l.Email, properties: l.JSON(), want: wellEnded})
	}
	return s, nil
}

// readFile reads the records as `outbox add --live` would. Bad ones are reported and left out; of two that are one
// event the second is left out, as an import leaves out what is there already.
func (s *source) readFile(ctx context.Context, o Options) error {
	file, err := files.OpenInput(ctx, o.File)
	if err != nil {
		return fmt.Errorf("open the leads: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	seen := map[string]bool{}
	refused, again := 0, 0
	options := importer.Options{Live: true, KnownPortal: func(name string) bool { return name == "default" }}
	err = importer.Read(ctx, file, o.File, options, func(r importer.Record) error {
		e := r.Entry
		if seen[*e.EventID] {
			again++
			return nil
		}
		seen[*e.EventID] = true
		s.first = append(s.first, event{eventID: *e.EventID, leadID: *e.LeadID, kind: *e.Type, email: e.Email, properties: *e.Properties,
			lane: string(e.Lane), occurredAt: e.OccurredAt})
		return nil
	}, func(line int, err error) {
		refused++
		fmt.Fprintf(o.Out, "%s:%d: %v\n", o.File, line, err)
	})
	if err != nil {
		return err
	}
	if refused+again > 0 {
		fmt.Fprintf(o.Out, "%d records are refused, %d are in the file twice\n", refused, again)
	}
	if len(s.first) == 0 {
		return fmt.Errorf("%s holds no lead", o.File)
	}
	return nil
}

// share cuts the first events into parts by weight: one part may be empty when there are few.
func (s *source) share(weights ...int) [][]event {
	total := 0
	for _, w := range weights {
		total += w
	}
	parts, done, rest := make([][]event, len(weights)), 0, s.first
	for i, w := range weights {
		done += w
		n := len(s.first)*done/total - (len(s.first) - len(rest))
		parts[i], rest = rest[:n:n], rest[n:]
	}
	return parts
}
