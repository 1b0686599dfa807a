package importer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"leadsync/internal/outbox"
)

// collect reads text and writes every record as one short line: "line lead type email lane properties", "line: error"
// when bad.
func collect(t *testing.T, name, text string, opt Options, limit int) (good []Record, lines []string, err error) {
	t.Helper()
	err = read(t.Context(), iotest.OneByteReader(strings.NewReader(text)), name, opt, limit, func(r Record) error {
		good = append(good, r)
		email := "-"
		if r.Entry.Email != nil {
			email = *r.Entry.Email
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %s %s %s", r.Line, *r.Entry.LeadID, strings.TrimPrefix(*r.Entry.Type, "lead."), email, r.Entry.Lane, *r.Entry.Properties))
		return nil
	}, func(line int, err error) {
		lines = append(lines, fmt.Sprintf("%d: %v", line, err))
	})
	return good, lines, err
}

func TestCSV(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"plain", "lead_id,email,firstname\n1,ada@example.com,Ada\n2,,Bo\n", []string{
			`1 registered ada@example.com backfill {"firstname":"Ada"}`, `2 registered - backfill {"firstname":"Bo"}`}},
		{"columns in their order, last line without end, BOM, CRLF, blank lines", "\ufeffz, a ,lead_id\r\n\r\n1,2,x\r\n\r\n3,4,y", []string{
			`x registered - backfill {"z":"1","a":"2"}`, `y registered - backfill {"z":"3","a":"4"}`}},
		{"empty is not carried, \\N is null", "lead_id,email,a,b\n1,\\N,,\\N\n2,,\"\",\"\\N\"\n", []string{
			`1 registered - backfill {"b":null}`, `2 registered - backfill {"b":null}`}},
		{"quotes", "lead_id,a\n1,\"say \"\"hi\"\", <b>\"\n\"2\",\"\"\"\"\n", []string{
			`1 registered - backfill {"a":"say \"hi\", <b>"}`, `2 registered - backfill {"a":"\""}`}},
		{"no properties", "lead_id\n1\n", []string{`1 registered - backfill {}`}},
		{"all columns", "lead_id,event_type,lane\n1,lead.updated,live\n2,,backfill\n", []string{
			`1 updated - live {}`, `2 registered - backfill {}`}},
		{"a column without a name may stay empty", "lead_id,a,\n1,x,\n2,y,z\n", []string{
			`1 registered - backfill {"a":"x"}`, `: cell 3 is in a column without a name`}},
		{"text of any script", "lead_id,a\n1,שלום 🦜\n", []string{`1 registered - backfill {"a":"שלום 🦜"}`}},
		{"bad values", "lead_id,event_type,lane,portal,occurred_at\n,,,,\n\\N,,,,\n1,lead.gone,,,\n1,,fast,,\n1,,,else where,\n1,,,,yesterday\n1,,,,12\n", []string{
			`: no lead_id`, `: no lead_id`, `: unknown event_type: lead.registered, lead.updated, lead.unsubscribed, lead.resubscribed, lead.deleted or lead.erased`,
			`: unknown lane: live or backfill`, `: no daemon can serve such a portal: a name is 1 to 64 of a-z, A-Z, 0-9, dot, dash and underscore`, `: occurred_at is neither milliseconds nor RFC 3339, as in 2026-11-22T08:00:00Z`, `1 registered - backfill {}`}},
		{"cells", "lead_id,a\n1\n2,x,y\n3,z\n", []string{
			`: 1 cells, but the header has 2 columns`, `: 3 cells, but the header has 2 columns`, `3 registered - backfill {"a":"z"}`}},
		{"encoding", "lead_id,a\n1,caf\xe9\n3,ok\n", []string{`: ` + errEncoding.Error(), `3 registered - backfill {"a":"ok"}`}},
		// Among the first bytes a NUL refuses the whole file, see TestWholeFileRefused.
		{"NUL", "lead_id,a\n1," + strings.Repeat("x", 5000) + "\n2,b\x00\n3,ok\n", []string{
			`"}`, `: holds a NUL character`, `3 registered - backfill {"a":"ok"}`}},
		{"bare quote", "lead_id,a\n1,5\" disk\n2,ok\n", []string{`: ` + errBareQuote.Error(), `2 registered - backfill {"a":"ok"}`}},
		{"long id", "lead_id\n" + strings.Repeat("é", 128) + "\nok\n", []string{`: lead_id is longer than 255 bytes`, `ok registered - backfill {}`}},
	}
	for _, tt := range tests {
		_, lines, err := collect(t, "leads.csv", tt.in, Options{}, maxRecord)
		if err != nil || len(lines) != len(tt.want) {
			t.Errorf("%s: %v, %q", tt.name, err, lines)
			continue
		}
		for i, line := range lines {
			if !strings.HasSuffix(line, tt.want[i]) {
				t.Errorf("%s: record %d is\n%q, want\n%q", tt.name, i, line, tt.want[i])
			}
		}
	}
}

func TestKnownPortal(t *testing.T) {
	opt := Options{KnownPortal: func(p string) bool { return p == "west" }, Portal: "west"}
	_, lines, err := collect(t, "leads.csv", "lead_id,portal\n1,\n2,west\n3,default\n", opt, maxRecord)
	want := []string{"2 1 registered - backfill {}", "3 2 registered - backfill {}", "4: unknown portal"}
	if err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("%v, got %q, want %q", err, lines, want)
	}
}

func TestCSVLineNumbers(t *testing.T) {
	in := "lead_id,a\n1,\"two\r\nlines\"\n\n2,x\n3\n4,\"a\n\n\nb\"\n5\n"
	_, lines, err := collect(t, "leads.csv", in, Options{}, maxRecord)
	want := []string{
		`2 1 registered - backfill {"a":"two\nlines"}`,
		`5 2 registered - backfill {"a":"x"}`,
		`6: 1 cells, but the header has 2 columns`,
		`7 4 registered - backfill {"a":"a\n\n\nb"}`,
		`11: 1 cells, but the header has 2 columns`,
	}
	if err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("%v\n got %q\nwant %q", err, lines, want)
	}
}

// A quote that is opened and not closed costs its own line, not the rest of the file.
func TestBrokenQuoteDoesNotSwallowTheFile(t *testing.T) {
	tests := []struct {
		name, in string
		bad      []string
		good     int
	}{
		{"never closed", "lead_id,a\n1,x\n2,\"open\n3,y\n4,z\n", []string{`3: a quote is opened and never closed; reading goes on at line 4`}, 3},
		{"closed by the next quoted cell", "lead_id,a\n1,\"open\n2,\"whole\"\n3,\"whole\"\n", []string{`2: text after a closing quote: a quote is missing or not doubled; reading goes on at line 3`}, 2},
		{"joined lines have too many cells", "lead_id,a\n1,\"open\n2,b\",c\n3,d\n", []string{
			`2: 3 cells, but the header has 2 columns; reading goes on at line 3`, `3: a quote inside a cell that does not start with one: write "..." around the cell and "" for the quote`}, 1},
		{"longer than a record may be", "lead_id,a\n1,\"open\n" + strings.Repeat("2,bbbbbbbb\n", 100), []string{`2: a quote is opened and never closed; reading goes on at line 3`}, 100},
		{"a line longer than a record may be", "lead_id,a\n1," + strings.Repeat("x", 1000) + "\n2,y\n", []string{`2: the record is longer than 16 MiB`}, 1},
		{"on the last line", "lead_id,a\n1,x\n2,\"", []string{`3: a quote is opened and never closed`}, 1},
	}
	for _, tt := range tests {
		good, lines, err := collect(t, "leads.csv", tt.in, Options{}, 200)
		var bad []string
		for _, l := range lines {
			if no, _, _ := strings.Cut(l, " "); strings.HasSuffix(no, ":") {
				bad = append(bad, l)
			}
		}
		if err != nil || len(good) != tt.good || !reflect.DeepEqual(bad, tt.bad) {
			t.Errorf("%s: %v, %d good, want %d\n got %q\nwant %q", tt.name, err, len(good), tt.good, bad, tt.bad)
		}
	}
}

func TestWholeFileRefused(t *testing.T) {
	tests := []struct{ name, file, in, want string }{
		{"empty", "a.csv", "", "a.csv: the file is empty"},
		{"only a BOM", "a.csv", "\ufeff\r\n", "a.csv: the file is empty"},
		{"UTF-16", "a.csv", "\xff\xfel\x00", "UTF-16: save it as UTF-8"},
		{"UTF-16 without a mark", "a.csv", "l\x00e\x00", "NUL bytes"},
		{"spreadsheet", "a.csv", "PK\x03\x04xx", "spreadsheet"},
		{"gzip", "a.jsonl", "\x1f\x8b\x08", "gunzip"},
		{"semicolons", "a.csv", "email;lead_id;a\nx;1;2\n", "separated by semicolons"},
		{"semicolons and a comma", "a.csv", "lead_id;\"name, first\"\n", "quote"},
		{"tabs", "a.csv", "lead_id\temail\n", "separated by tabs"},
		{"case", "a.csv", "Lead_ID,email\n", `it has "Lead_ID", names are compared exactly`},
		{"CR", "a.csv", "lead_id\r1\r2\r", "CR alone"},
		{"no header", "a.csv", "1,ada@example.com\n", "add a line with the names of the columns"},
		{"double column", "a.csv", "lead_id,a,b,a\n", `two columns are named "a"`},
		{"header not UTF-8", "a.csv", "lead_id,caf\xe9\n1,2\n", "not UTF-8"},
		{"JSON array", "a.json", `[{"lead_id":"1"}]`, "JSON array"},
		{"JSON array without extension", "a", "\n [1]", "JSON array"},
	}
	for _, tt := range tests {
		good, lines, err := collect(t, tt.file, tt.in, Options{}, maxRecord)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(good) > 0 || len(lines) > 0 {
			t.Errorf("%s: %v, %q; want %q", tt.name, err, lines, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("%s: the error holds an address: %v", tt.name, err)
		}
	}
}

func TestJSONL(t *testing.T) {
	in := strings.Join([]string{
		`{"lead_id":"1","email":"ada@example.com","properties":{"b":1.50,"a":null}}`,
		``,
		`{"lead_id":42,"event_type":"lead.updated","email":null,"lane":"live","occurred_at":"2026-11-22T08:00:00Z","event_id":"mine","portal":"west"}`,
		`{"lead_id":"2",`,
		`["2"]`,
		`null`,
		`{"lead_id":"3","firstname":"Ada","ada@example.com":1}`,
		`{"lead_id":"4","properties":[1]}`,
		`{"lead_id":"5","properties":{"a":{"b":1}}}`,
		`{"lead_id":"6","properties":{"a":"\ud800"}}`,
		`{"lead_id":"7","email":"\u0000"}`,
		`{"lead_id":true}`,
		`{"lead_id":{}}`,
		`{"email":"ada@example.com"}`,
		"{\"lead_id\":\"8\xff\"}",
		`{"lead_id":"9","properties":null}`,
	}, "\n")
	good, lines, err := collect(t, "leads.jsonl", in, Options{Live: false}, maxRecord)
	want := []string{
		`1 1 registered ada@example.com backfill {"b":1.50,"a":null}`,
		`3 42 updated - live {}`,
		`4: not JSON: each line must be one whole object`,
		`5: not a JSON object`,
		`6: not a JSON object`,
		`7: unknown keys (odd name), firstname: fields of the lead go inside properties, the columns are lead_id, event_type, email, event_id, portal, occurred_at, lane`,
		`8: properties are not a JSON object`,
		`9: properties hold an object or an array as a value`,
		`10: properties hold a NUL character or broken Unicode`,
		`11: email: a NUL character or broken Unicode`,
		`12: lead_id: neither text nor a number`,
		`13: lead_id: neither text nor a number`,
		`14: no lead_id`,
		`15: ` + errEncoding.Error(),
		`16 9 registered - backfill {}`,
	}
	if err != nil || !reflect.DeepEqual(lines, want) {
		t.Fatalf("%v\n got %q\nwant %q", err, lines, want)
	}
	e := good[1].Entry
	if *e.EventID != "mine" || e.Portal != "west" || *e.OccurredAt != 1795334400000 || e.State != outbox.Pending || e.PropertiesBytes != 2 {
		t.Errorf("columns: %+v", e)
	}
	if good[0].Entry.Portal != "default" || good[0].Entry.OccurredAt != nil {
		t.Errorf("defaults: %+v", good[0].Entry)
	}
}

func TestTooLargeProperties(t *testing.T) {
	in := `{"lead_id":"1","properties":{"a":"` + strings.Repeat("x", outbox.MaxPropertiesBytes) + `"}}` + "\n" + `{"lead_id":"2"}`
	_, lines, err := collect(t, "a.jsonl", in, Options{}, maxRecord)
	if err != nil || len(lines) != 2 || lines[0] != "1: properties are larger than 1 MiB" {
		t.Errorf("%v, %.100q", err, lines)
	}
}

func TestFormatIsFound(t *testing.T) {
	csv, jsonl := "lead_id\n1\n", "{\"lead_id\":\"1\"}\n"
	tests := []struct {
		name, in string
		f        Format
	}{{"-", csv, Auto}, {"-", jsonl, Auto}, {"x.CSV", csv, Auto}, {"x.ndjson", jsonl, Auto}, {"x.txt", csv, Auto}, {"x.csv", jsonl, JSONL}, {"x.json", csv, CSV}, {"-", "\ufeff" + jsonl, Auto}}
	for _, tt := range tests {
		if good, _, err := collect(t, tt.name, tt.in, Options{Format: tt.f}, maxRecord); err != nil || len(good) != 1 {
			t.Errorf("%s %q: %v, %d records", tt.name, tt.in, err, len(good))
		}
	}
}

func TestEventID(t *testing.T) {
	id := func(name, text string) string {
		t.Helper()
		good, lines, err := collect(t, name, text, Options{Live: strings.HasPrefix(name, "live")}, maxRecord)
		if err != nil || len(good) != 1 {
			t.Fatalf("%q: %v, %q", text, err, lines)
		}
		return *good[0].Entry.EventID
	}
	base := id("a.csv", "lead_id,email,a,b\n1,x@example.com,1,2\n")
	if len(base) != len("import:")+16 || !strings.HasPrefix(base, "import:") {
		t.Errorf("event id %q", base)
	}
	// The documented bytes, hashed by another program (Python's hashlib): a change here would import every file a second
	// time.
	if base != "import:65028aa44a1c7ff6" {
		t.Errorf("event id %q", base)
	}
	same := map[string]string{
		"order of columns": id("a.csv", "b,a,email,lead_id\n2,1,x@example.com,1\n"),
		"CRLF and quotes":  id("a.csv", "lead_id,email,a,b\r\n\"1\",x@example.com,\"1\",2\r\n"),
		"lane":             id("live.csv", "lead_id,email,a,b\n1,x@example.com,1,2\n"),
		"explicit default": id("a.csv", "lead_id,email,a,b,portal,event_type\n1,x@example.com,1,2,default,lead.registered\n"),
		"JSONL":            id("a.jsonl", `{"properties": {"b":"2", "a":"\u0031"}, "email":"x@example.com","lead_id":1}`),
	}
	for name, got := range same {
		if got != base {
			t.Errorf("%s: %s is another record than %s", name, got, base)
		}
	}
	seen := map[string]bool{base: true}
	for _, text := range []string{
		`{"lead_id":"2","email":"x@example.com","properties":{"a":"1","b":"2"}}`,
		`{"lead_id":"1","email":"y@example.com","properties":{"a":"1","b":"2"}}`,
		`{"lead_id":"1","properties":{"a":"1","b":"2"}}`,
		`{"lead_id":"1","email":"","properties":{"a":"1","b":"2"}}`,
		`{"lead_id":"1","email":"x@example.com","properties":{"a":"1","b":2}}`,
		`{"lead_id":"1","email":"x@example.com","properties":{"a":"1b","b":"2"}}`,
		`{"lead_id":"1","email":"x@example.com","properties":{"a":"1"}}`,
		`{"lead_id":"1","email":"x@example.com","properties":{"a":"1","b":null}}`,
		`{"lead_id":"1","email":"x@example.com","properties":{"a":"1","b":""}}`,
		`{"lead_id":"1","email":"x@example.com","occurred_at":5,"properties":{"a":"1","b":"2"}}`,
		`{"lead_id":"1","email":"x@example.com","portal":"west","properties":{"a":"1","b":"2"}}`,
	} {
		got := id("a.jsonl", text)
		if seen[got] {
			t.Errorf("%s has the event id of another record", text)
		}
		seen[got] = true
	}
}

func TestReadStops(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	err := Read(t.Context(), strings.NewReader("lead_id\n1\n2\n"), "a.csv", Options{}, func(Record) error { n++; return stop }, nil)
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("error of each: %v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = Read(ctx, strings.NewReader("lead_id\n1\n2\n"), "a.csv", Options{}, func(Record) error { n++; cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("cancelled: %v after %d", err, n)
	}
	err = Read(t.Context(), iotest.ErrReader(stop), "a.csv", Options{}, nil, nil)
	if !errors.Is(err, stop) {
		t.Errorf("read error: %v", err)
	}
}
