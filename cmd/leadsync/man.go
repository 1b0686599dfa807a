package main

import (
	_ "embed" // README.md is part of the man page
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	example "leadsync/config"
	"leadsync/internal/files"
)

// newManCommand writes the man pages for the package. It is not shown in the help: an operator reads them with man.
func newManCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages leadsync(1) and leadsync.yaml(5) into a folder",
		Args:   wantArgs("DIR"),
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := files.OpenDir(args[0])
			if err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			defer dir.Close() //nolint:errcheck // what it opened is closed
			for name, text := range map[string]string{"leadsync.1": commandPage(c.Root()), "leadsync.yaml.5": configPage()} {
				err := dir.Remove(name)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					err = dir.Write(name, text, 0o644)
				}
				if err != nil {
					return fmt.Errorf("write man page: %w", err)
				}
			}
			return nil
		},
	}
}

// manPage builds a man page: https://man7.org/linux/man-pages/man7/man.7.html (read 2026-11-24).
type manPage struct{ strings.Builder }

func newManPage(name, section, what string) *manPage {
	p := &manPage{}
	fmt.Fprintf(p, ".TH %s %s \"\" \"leadsync\" \"leadsync\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), section, name, roff(what))
	return p
}

func (p *manPage) head(text string)    { fmt.Fprintf(p, ".SH %s\n", roff(text)) }
func (p *manPage) section(text string) { fmt.Fprintf(p, ".SS \"%s\"\n", roff(text)) }
func (p *manPage) text(text string)    { fmt.Fprintf(p, "%s\n.PP\n", roff(text)) }

// as keeps the lines as they are.
func (p *manPage) as(text string) { fmt.Fprintf(p, ".nf\n%s\n.fi\n.PP\n", roff(text)) }

func (p *manPage) item(term, text string) {
	fmt.Fprintf(p, ".TP\n.B %s\n%s\n", roff(term), roff(text))
}

// roff keeps a text from being read as instructions.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(strings.TrimRight(text, "\n"))
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func commandPage(root *cobra.Command) string {
	p := newManPage("leadsync", "1", "keep an application's leads and HubSpot contacts in step")
	p.head("SYNOPSIS")
	p.text("leadsync COMMAND [--config FILE] [flags]")
	p.head("DESCRIPTION")
	p.text(root.Long)
	p.head("COMMANDS")
	commandItems(p, root)
	for _, s := range [][2]string{{"DAILY OPERATION", "Daily operation"}, {"STATES AND REASONS", "States and reasons"}, {"EXIT STATUS", "Exit codes"}} {
		p.head(s[0])
		p.markdown(sectionOf(operating, s[1]))
	}
	p.head("FILES")
	for _, f := range [][2]string{{"/etc/leadsync/leadsync.yaml", "the configuration, leadsync.yaml(5)"},
		{"/etc/leadsync/credentials/", "secrets, root's; systemd shows them to the daemon alone"},
		{"/var/lib/leadsync/", "the database of the default configuration"}} {
		p.item(f[0], f[1])
	}
	p.head("SEE ALSO")
	p.text("leadsync.yaml(5), journalctl(1), systemd.exec(5)")
	return p.String()
}

func commandItems(p *manPage, c *cobra.Command) {
	for _, sub := range c.Commands() {
		switch {
		case !sub.IsAvailableCommand() || sub.Name() == "completion" || sub.Name() == "help":
			continue
		case sub.HasAvailableSubCommands():
			commandItems(p, sub)
			continue
		}
		p.section(strings.TrimSuffix(sub.UseLine(), " [flags]"))
		p.text(sub.Short + ".")
		if sub.Long != "" {
			p.text(sub.Long)
		}
		sub.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" || f.Name == "config" {
				return
			}
			kind, usage := pflag.UnquoteUsage(f)
			p.item(strings.TrimSpace("--"+f.Name+" "+kind), usage)
		})
		if sub.Example != "" {
			p.text("Example:")
			p.as(sub.Example)
		}
	}
}

func configPage() string {
	p := newManPage("leadsync.yaml", "5", "configuration of leadsync")
	p.head("DESCRIPTION")
	p.text("Every key with its default. leadsync config check reports everything that is wrong with a file, leadsync config show what is in force.")
	p.as(string(example.Example))
	p.head("SEE ALSO")
	p.text("leadsync(1)")
	return p.String()
}

// operating is the page of whoever operates leadsync: the man page has parts of it, so that the two cannot differ.
//
//go:embed README.md
var operating string

var markup = regexp.MustCompile("\\*\\*|`|\\[([^]]*)\\]\\([^)]*\\)")

// plain takes the marks of Markdown out of a line: a link leaves its text.
func plain(text string) string { return markup.ReplaceAllString(text, "$1") }

// sectionOf is what stands on a page under a heading, up to the next one of the same rank or above.
func sectionOf(page, title string) string {
	rank, body := 0, strings.Builder{}
	fenced := false
	for line := range strings.Lines(page) {
		fenced = fenced != strings.HasPrefix(line, "```")
		marks := 0
		if !fenced {
			marks = len(line) - len(strings.TrimLeft(line, "#"))
		}
		switch {
		case rank == 0 && marks > 0 && strings.TrimSpace(line[marks:]) == title:
			rank = marks
		case marks > 0 && marks <= rank:
			return body.String()
		case rank > 0:
			body.WriteString(line)
		}
	}
	return body.String()
}

// markdown adds a part of a page: headings, paragraphs, blocks, and tables as items under their first cell. It knows
// what our pages use and no more.
func (p *manPage) markdown(text string) {
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			p.text(plain(strings.Join(paragraph, "\n")))
		}
		paragraph = nil
	}
	block, fenced, headed := strings.Builder{}, false, false
	for line := range strings.Lines(text + "\n") {
		fence := strings.HasPrefix(line, "```")
		indented := strings.HasPrefix(line, "    ") && len(paragraph) == 0
		if block.Len() > 0 && (fence || !fenced && !indented) {
			p.as(block.String())
			block.Reset()
		}
		fenced = fenced != fence
		row := strings.HasPrefix(line, "|")
		if headed && !row { // what follows is no part of the last item
			p.WriteString(".PP\n")
		}
		switch {
		case fence || strings.HasPrefix(line, "<!--") || strings.HasPrefix(line, "|---"):
		case fenced || indented:
			block.WriteString(strings.TrimPrefix(line, "    "))
		case row && !headed: // the names of the columns
			flush()
		case row:
			cells := strings.SplitN(strings.Trim(strings.TrimSpace(line), "|"), "|", 2)
			p.item(plain(strings.TrimSpace(cells[0])), plain(strings.TrimSpace(strings.ReplaceAll(cells[1], " | ", ". "))))
		case strings.HasPrefix(line, "#"):
			flush()
			p.section(strings.TrimSpace(strings.TrimLeft(line, "#")))
		case strings.TrimSpace(line) == "":
			flush()
		default:
			paragraph = append(paragraph, strings.TrimSpace(line))
		}
		headed = row
	}
	flush()
}
