// Package importer reads leads from a CSV or JSONL file and adds them to the outbox.
//
// It guarantees that every record of the file either becomes one outbox entry or is reported with its line number, that
// a bad record never hides the ones after it, that a file imported twice is added once, and that memory does not grow
// with the file. It does not judge what HubSpot decides (addresses, options): such a row ends in the outbox with its
// reason, where `outbox list` shows it. No error text holds a value of the file.
//
// Design: the CSV reader is our own. encoding/csv reads on to the end of the file for a closing quote that is missing,
// so one broken cell would swallow a million leads silently and whole; here a malformed record that ran over several
// lines is reported, and reading goes on at the line after its first. The rejected way, LazyQuotes, guesses, and puts
// two leads in one.
package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"leadsync/internal/outbox"
)

// Format of a file.
type Format string

// The formats. Auto goes by the extension (.csv, .jsonl, .ndjson, .json), else by the first byte: '{' starts JSONL.
const (
	Auto  Format = ""
	CSV   Format = "csv"
	JSONL Format = "jsonl"
)

// Options of Read.
type Options struct {
	Format Format
	// Live puts records without a lane of their own on the live lane instead of backfill.
	Live bool
	// Portal is for records without a portal of their own; empty means "default".
	Portal string
	// KnownPortal says whether a record may name this portal; nil takes any that a configuration can have.
	KnownPortal func(string) bool
}

// Record is one good record. Line is where it starts, counted from 1.
type Record struct {
	Line  int
	Entry outbox.Entry // only the columns an application writes
}

// maxRecord is the longest record in bytes, all its lines together.
const maxRecord = 16 << 20

// Read calls each for every good record and bad for every refused one, in the order of the file, and goes on until the
// end. It stops early, with an error that begins with name, when the file as a whole cannot be read (wrong encoding, no
// lead_id column), when each returns an error, and when ctx ends.
func Read(ctx context.Context, r io.Reader, name string, opt Options, each func(Record) error, bad func(line int, err error)) error {
	return read(ctx, r, name, opt, maxRecord, each, bad)
}

func read(ctx context.Context, r io.Reader, name string, opt Options, limit int, each func(Record) error, bad func(int, error)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := checkEncoding(start); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if b, ok := bytes.CutPrefix(start, []byte(utf8BOM)); ok {
		start = b
		if _, err := in.Discard(len(utf8BOM)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	start = bytes.TrimLeft(start, " \t\r\n")
	if len(start) == 0 {
		return fmt.Errorf("%s: the file is empty", name)
	}
	s := &sink{ctx: ctx, opt: opt, each: each, bad: bad}
	lines := &lineReader{r: in, limit: limit}
	switch format(opt.Format, name, start[0]) {
	case JSONL:
		if start[0] == '[' {
			return fmt.Errorf("%s: this is a JSON array: write one object a line (jq -c '.[]')", name)
		}
		err = readJSONL(lines, s)
	default:
		err = readCSV(lines, s)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

func format(f Format, name string, first byte) Format {
	if f != Auto {
		return f
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return CSV
	case ".jsonl", ".ndjson", ".json":
		return JSONL
	}
	if first == '{' || first == '[' {
		return JSONL
	}
	return CSV
}

const utf8BOM = "\xef\xbb\xbf"

// checkEncoding refuses files that are no UTF-8 text by their first bytes. Where one byte is wrong only its record is
// refused.
func checkEncoding(start []byte) error {
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return errors.New("the file is UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return errors.New("the file is a spreadsheet or a zip archive: save it as CSV in UTF-8")
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return errors.New("the file is compressed: unpack it (gunzip) first")
	case bytes.IndexByte(start, 0) >= 0:
		return errors.New("the file holds NUL bytes, so it is UTF-16 or no text: save it as UTF-8")
	}
	return nil
}

var errEncoding = errors.New("not UTF-8 text: save the file as UTF-8 (from Windows: iconv -f WINDOWS-1252 -t UTF-8)")

// sink takes what the two readers find.
type sink struct {
	ctx  context.Context //nolint:containedctx // lives as long as one Read
	opt  Options
	each func(Record) error
	bad  func(int, error)
}

// record checks r and hands it on. The error is for the whole file: a bad record is reported, not returned.
func (s *sink) record(line int, r *raw) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	e, err := r.entry(s.opt)
	if err != nil {
		s.bad(line, err)
		return nil
	}
	return s.each(Record{Line: line, Entry: e})
}

// line is one line of the file with its line end.
type line struct {
	no      int
	text    []byte
	tooLong bool // text was dropped
}

func (l line) blank() bool { return !l.tooLong && len(bytes.TrimRight(l.text, "\r\n")) == 0 }

// lineReader reads line by line, never more than limit bytes of one, and takes lines back.
type lineReader struct {
	r     *bufio.Reader
	limit int
	no    int
	back  []line
}

// next returns the next line, or io.EOF.
func (l *lineReader) next() (line, error) {
	if len(l.back) > 0 {
		n := l.back[0]
		l.back = l.back[1:]
		return n, nil
	}
	l.no++
	out := line{no: l.no}
	for {
		part, err := l.r.ReadSlice('\n')
		switch {
		case out.tooLong:
		case len(out.text)+len(part) > l.limit:
			out.text, out.tooLong = nil, true
		default:
			out.text = append(out.text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(out.text) > 0 || out.tooLong):
			return out, nil
		}
		return out, err
	}
}

// unread puts lines back, to be read next.
func (l *lineReader) unread(lines []line) {
	l.back = append(append([]line(nil), lines...), l.back...)
}

func validText(b []byte) error {
	if !utf8.Valid(b) {
		return errEncoding
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return errors.New("holds a NUL character")
	}
	return nil
}
