package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Errors of one CSV record.
var (
	errBareQuote = errors.New(`a quote inside a cell that does not start with one: write "..." around the cell and "" for the quote`)
	errQuote     = errors.New("text after a closing quote: a quote is missing or not doubled")
	errUnclosed  = errors.New("a quote is opened and never closed")
	errTooLong   = fmt.Errorf("the record is longer than %d MiB", maxRecord>>20)
)

// readCSV reads the header and hands every record to s. Cells are RFC 4180: quoted where needed, quotes doubled, line
// ends allowed inside quotes (CRLF there becomes LF). Blank lines are passed over.
func readCSV(lines *lineReader, s *sink) error {
	head, err := readRecord(lines)
	if err != nil {
		return err
	}
	if head.err != nil {
		return fmt.Errorf("header: %w", head.err)
	}
	columns, err := header(head.cells)
	if err != nil {
		return err
	}
	for {
		rec, err := readRecord(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.err == nil && len(rec.cells) != len(columns) {
			rec.err = fmt.Errorf("%d cells, but the header has %d columns", len(rec.cells), len(columns))
		}
		if rec.err != nil {
			resync(lines, &rec)
			s.bad(rec.lines[0].no, rec.err)
			continue
		}
		r, err := fromCells(columns, rec.cells)
		if err != nil {
			s.bad(rec.lines[0].no, err)
			continue
		}
		if err := s.record(rec.lines[0].no, r); err != nil {
			return err
		}
	}
}

// resync goes back to the second line of a malformed record: the quote that joined the lines was the mistake more often
// than not.
func resync(lines *lineReader, rec *csvRecord) {
	if len(rec.lines) > 1 {
		rec.err = fmt.Errorf("%w; reading goes on at line %d", rec.err, rec.lines[1].no)
		lines.unread(rec.lines[1:])
	}
}

// csvRecord is one record with the lines it was read from. err is about this record only.
type csvRecord struct {
	lines []line
	cells []string
	err   error
}

// readRecord returns the next record; its error is that of the file, io.EOF at the end.
func readRecord(in *lineReader) (csvRecord, error) {
	var rec csvRecord
	first, err := in.next()
	for err == nil && first.blank() {
		first, err = in.next()
	}
	if err != nil {
		return rec, err
	}
	rec.lines = []line{first}
	if first.tooLong {
		rec.err = errTooLong
		return rec, nil
	}
	var p cellParser
	size := 0
	for l := first; ; {
		if err := validText(l.text); err != nil {
			rec.err = err
			return rec, nil
		}
		size += len(l.text)
		open, err := p.line(l.text)
		if err != nil || !open {
			rec.cells, rec.err = p.cells, err
			return rec, nil
		}
		l, err = in.next()
		switch {
		case errors.Is(err, io.EOF):
			rec.err = errUnclosed
			return rec, nil
		case err != nil:
			return rec, err
		}
		rec.lines = append(rec.lines, l)
		if l.tooLong || size+len(l.text) > in.limit {
			rec.err = errUnclosed
			return rec, nil
		}
	}
}

// cellParser splits a record into cells, line by line.
type cellParser struct {
	cells  []string
	cell   []byte
	quoted bool // inside quotes
	closed bool // just after a closing quote
}

// line takes the next line and reports whether the record goes on, because a quote is open.
func (p *cellParser) line(text []byte) (open bool, err error) {
	text, ended := bytes.CutSuffix(text, []byte("\n"))
	if ended {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	plain := false // inside a cell without quotes
	for _, c := range text {
		switch {
		case p.quoted && c == '"':
			p.quoted, p.closed = false, true
		case p.quoted:
			p.cell = append(p.cell, c)
		case c == ',':
			p.finish()
			plain = false
		case p.closed && c == '"':
			p.cell = append(p.cell, c)
			p.quoted, p.closed = true, false
		case p.closed:
			return false, errQuote
		case c == '"' && plain:
			return false, errBareQuote
		case c == '"':
			p.quoted = true
		default:
			p.cell = append(p.cell, c)
			plain = true
		}
	}
	if p.quoted {
		p.cell = append(p.cell, '\n')
		return true, nil
	}
	p.finish()
	return false, nil
}

func (p *cellParser) finish() {
	p.cells = append(p.cells, string(p.cell))
	p.cell, p.closed = p.cell[:0], false
}

// header checks the names of the columns. A name is compared exactly, but for white space around it; a column without a
// name must stay empty. Names are only repeated in an error once lead_id is found: until then the line may be
// somebody's data.
func header(cells []string) ([]string, error) {
	columns := make([]string, len(cells))
	for i, c := range cells {
		columns[i] = strings.TrimSpace(c)
	}
	if !slices.Contains(columns, "lead_id") {
		return nil, errors.New(noLeadID(cells))
	}
	for i, c := range columns {
		if c != "" && slices.Contains(columns[:i], c) {
			return nil, fmt.Errorf("two columns are named %q: rename or remove one", c)
		}
	}
	return columns, nil
}

// noLeadID finds the likely reason why the header has no lead_id column.
func noLeadID(cells []string) string {
	const text = "no column lead_id in the first line"
	for _, sep := range []struct{ mark, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}} {
		for _, c := range cells {
			for part := range strings.SplitSeq(c, sep.mark) {
				if strings.Trim(part, "\" ") == "lead_id" {
					return text + ": the columns are separated by " + sep.name + ", save the file with commas"
				}
			}
		}
	}
	for _, c := range cells {
		c = strings.TrimSpace(c)
		switch {
		case strings.EqualFold(c, "lead_id"), strings.EqualFold(c, "leadid"), strings.EqualFold(c, "lead id"), strings.EqualFold(c, "lead-id"):
			return fmt.Sprintf("%s: it has %q, names are compared exactly", text, c)
		case strings.Contains(c, "\r"):
			return text + ": the lines end in CR alone, save the file with LF or CRLF"
		}
	}
	return text + ": add a line with the names of the columns (lead_id, email, firstname, ...)"
}

// null is the cell that means null, as PostgreSQL and MySQL write it in their text dumps.
const null = `\N`

// fromCells sorts the cells of a record into columns of the outbox and properties. An empty cell is not carried.
func fromCells(columns, cells []string) (*raw, error) {
	r := &raw{}
	var props object
	for i, name := range columns {
		cell := cells[i]
		if cell == "" {
			continue
		}
		if name == "" {
			return nil, fmt.Errorf("cell %d is in a column without a name", i+1)
		}
		if field := r.column(name); field != nil {
			if cell != null {
				*field = &cell
			}
			continue
		}
		if cell == null {
			props.add(name, nil)
		} else {
			props.add(name, &cell)
		}
	}
	text := props.String()
	r.properties = &text
	return r, nil
}
