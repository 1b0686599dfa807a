package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/files"
	"leadsync/internal/importer"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

func newOutboxAddCommand(env *environment) *cobra.Command {
	var (
		file         string
		live, asJSON bool
		row          importer.Row
	)
	c := &cobra.Command{
		Use:   "add",
		Short: "Add leads from a CSV or JSONL file, or one lead",
		Long: "With --file: every record of the file becomes a row of lead_outbox. CSV needs a header with a column lead_id; event_type\n" +
			"(default lead.registered), email, event_id, portal, occurred_at and lane have their meaning, every other column is a property\n" +
			"under its header; an empty cell is not carried, \\N is null. JSONL has one object a line with the column names as keys and\n" +
			"properties as an object. --file - reads standard input. A record without event_id is named by its content, so a file can be\n" +
			"imported again: what is there already is not added twice. Rows go to the backfill lane, which yields to live events, unless\n" +
			"--live is given, and to the portal of the configuration unless they name one.\n\n" +
			"A bad record is reported on standard error as FILE:LINE: reason, and the rest goes on; the last line on standard output\n" +
			"counts, and the exit code is 1 when a record was refused.\n\n" +
			"Without --file: one lead from the flags, on the live lane; it prints the id of the row. Arguments show in the process list: --email -\n" +
			"(or --lead-id -) reads the value from standard input, and --file - everything.",
		Example: "  leadsync outbox add --file leads.csv\n" +
			"  zcat leads.jsonl.gz | leadsync outbox add --file -\n" +
			"  leadsync outbox add --lead-id 42 --email ada@example.com --set firstname=Ada --set 'phone=\\N'",
		Args: wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			oneRow := false
			for _, name := range []string{"lead-id", "type", "email", "set"} {
				oneRow = oneRow || c.Flags().Changed(name)
			}
			byFile := c.Flags().Changed("file")
			switch {
			case byFile && oneRow:
				return &exitError{exitUsage, errors.New("--file takes the leads from a file; leave out --lead-id, --type, --email and --set")}
			case byFile && file == "":
				return &exitError{exitUsage, errors.New("--file is empty, want the name of a file, or - for standard input")}
			case !byFile && row.LeadID == "":
				return &exitError{exitUsage, errors.New("name a file with --file, or one lead with --lead-id")}
			}
			for _, value := range []struct {
				text *string
				flag string
			}{{&row.LeadID, "--lead-id"}, {&row.Email, "--email"}} {
				if *value.text != "-" {
					continue
				}
				if row.LeadID == "-" && row.Email == "-" {
					return &exitError{exitUsage, errors.New("--lead-id and --email cannot both be read from standard input; use --file -")}
				}
				var err error
				if *value.text, err = env.person(c.Context(), "-", value.flag); err != nil {
					return err
				}
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				opt := importer.Options{Live: live || !byFile, Portal: cfg.Portal}
				if byFile {
					return env.importFile(c.Context(), db, file, opt, asJSON)
				}
				return env.addRow(c.Context(), db, row, opt, asJSON)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&file, "file", "", "CSV or JSONL `FILE` to import, - for standard input")
	f.BoolVar(&live, "live", false, "put the rows on the live lane instead of backfill")
	f.StringVar(&row.LeadID, "lead-id", "", "the application's `ID` of the lead")
	f.StringVar(&row.Type, "type", string(outbox.Registered), "event `TYPE`")
	f.StringVar(&row.Email, "email", "", "the lead's `ADDRESS`, - for standard input")
	f.StringArrayVar(&row.Set, "set", nil, "a property as `NAME=VALUE`, \\N for null; may be repeated")
	jsonFlag(c, &asJSON)
	return c
}

// importFile adds the records of a file, says on standard error what is wrong with the bad ones, and prints the counts:
// also when it breaks off, since what is counted as imported is in the outbox for good.
func (e *environment) importFile(ctx context.Context, db *store.DB, file string, opt importer.Options, asJSON bool) error {
	name := "stdin"
	in := files.Patient(ctx, e.stdin)
	size := int64(0)
	if file != "-" {
		name = visible(file)
		opened, err := files.OpenInput(ctx, file)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return &fileError{name, err}
		}
		defer opened.Close()
		size = opened.Size
		in = opened
	}
	bar := newProgress(e.stderr, name, size)
	result, err := importer.Import(ctx, importer.Source{
		Name: name, Reader: in, Options: opt,
		Bad:      func(line int, err error) { bar.print(fmt.Sprintf("%s:%d: %s", name, line, visible(err.Error()))) },
		Progress: bar.show,
	}, db.Operator())
	bar.end()
	var printed error
	if asJSON {
		printed = e.printJSON(result)
	} else {
		_, printed = fmt.Fprintln(e.stdout, result)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted; run it again, what is there already is not added twice")
	case err != nil && store.IsUnavailable(err):
		return fmt.Errorf("database %s: %s; run it again, what is there already is not added twice", db, store.Cause(err))
	case err != nil:
		return err
	case printed != nil:
		return printed
	case result.Refused > 0:
		return &exitError{code: exitFailed} // each record has its line already
	}
	return nil
}

// fileError is an error of opening a file in the form of all others: "leads.csv: no such file or directory".
type fileError struct {
	name string
	err  error
}

func (e *fileError) Unwrap() error { return e.err }

func (e *fileError) Error() string {
	cause := e.err
	if path, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = path.Err
	}
	return e.name + ": " + cause.Error()
}

// addRow adds one row and prints its id, or the whole row.
func (e *environment) addRow(ctx context.Context, db *store.DB, row importer.Row, opt importer.Options, asJSON bool) error {
	entry, err := row.Entry(opt)
	if err != nil {
		return err
	}
	id, err := db.Operator().AddRow(ctx, entry)
	if err != nil {
		return err
	}
	if !asJSON {
		_, err = fmt.Fprintln(e.stdout, id)
		return err
	}
	rows, err := db.Operator().Entries(ctx, []outbox.EntryID{id})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("row %d is gone already", id)
	}
	return e.printRow(&rows[0])
}
