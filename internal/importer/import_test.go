package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"leadsync/internal/outbox"
)

// memory is an outbox that keeps event ids only.
type memory struct {
	seen    map[string]bool
	batches []int
	failAt  int // number of the batch that fails, from 1
}

func (m *memory) Add(_ context.Context, entries []outbox.Entry) (added, already int, err error) {
	m.batches = append(m.batches, len(entries))
	if len(m.batches) == m.failAt {
		return 0, 0, errors.New("database is away")
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	for _, e := range entries {
		if m.seen[*e.EventID] {
			already++
			continue
		}
		m.seen[*e.EventID] = true
		added++
	}
	return added, already, nil
}

// file makes a CSV of n leads.
func file(n int) string {
	var b strings.Builder
	b.WriteString("lead_id,firstname\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,name %d\n", i, i)
	}
	return b.String()
}

func TestImport(t *testing.T) {
	text := file(1100) + "broken\n" + "5,name 5\n"
	store := &memory{}
	var bad []int
	var records, size int64
	src := Source{Name: "leads.csv", Reader: strings.NewReader(text), Bad: func(line int, _ error) { bad = append(bad, line) },
		Progress: func(r, b int64) { records, size = r, b }}
	res, err := Import(t.Context(), src, store)
	if err != nil || res != (Result{Imported: 1100, AlreadyThere: 1, Refused: 1}) {
		t.Errorf("%+v, %v", res, err)
	}
	if got := res.String(); got != "imported 1100, already there 1, refused 1" {
		t.Errorf("last line %q", got)
	}
	if fmt.Sprint(store.batches) != "[500 500 101]" || fmt.Sprint(bad) != "[1102]" || records != 1102 || size != int64(len(text)) {
		t.Errorf("batches %v, bad lines %v, progress %d records, %d bytes", store.batches, bad, records, size)
	}
}

// A broken import can be run again: nothing is lost, nothing doubled.
func TestImportAgainAfterFailure(t *testing.T) {
	text := file(1200)
	store := &memory{failAt: 2}
	res, err := Import(t.Context(), Source{Name: "leads.csv", Reader: strings.NewReader(text)}, store)
	if err == nil || res.Imported != 500 {
		t.Fatalf("first run: %+v, %v", res, err)
	}
	res, err = Import(t.Context(), Source{Name: "leads.csv", Reader: strings.NewReader(text)}, store)
	if err != nil || res != (Result{Imported: 700, AlreadyThere: 500}) || len(store.seen) != 1200 {
		t.Errorf("second run: %+v, %v, %d in the outbox", res, err, len(store.seen))
	}
}

func TestImportOfLargeRecordsUsesSmallBatches(t *testing.T) {
	text := "lead_id,a\n" + strings.Repeat("1,"+strings.Repeat("x", 900_000)+"\n", 12)
	store := &memory{}
	if _, err := Import(t.Context(), Source{Name: "a.csv", Reader: strings.NewReader(text)}, store); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(store.batches) != "[5 5 2]" {
		t.Errorf("batches %v", store.batches)
	}
}

// endless is a CSV of n rows that never is in memory.
type endless struct {
	row  []byte
	left int
	rest []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.rest = e.row
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

type discard struct{ n int }

func (d *discard) Add(_ context.Context, entries []outbox.Entry) (int, int, error) {
	d.n += len(entries)
	return len(entries), 0, nil
}

// Memory stays flat however long the file: 96 MiB here, in a heap that never holds 32. The cells are long, since it is
// the bytes that would pile up; with short ones the same size takes ten times as long.
func TestImportMemoryIsFlat(t *testing.T) {
	row := "17,ada@example.com,\"A cell with some text, quoted\"," + strings.Repeat("Analytical Engines ", 50) + "\n"
	chunk := []byte(strings.Repeat(row, 64))
	chunks := 96 << 20 / len(chunk)
	in := io.MultiReader(strings.NewReader("lead_id,email,a,b\n"), &endless{row: chunk, left: chunks})
	var peak uint64
	store := &discard{}
	batches := 0
	res, err := Import(t.Context(), Source{Name: "a.csv", Reader: in, Progress: func(int64, int64) {
		if batches++; batches%10 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}}, store)
	if err != nil || res.Imported != chunks*64 || store.n != res.Imported || res.Refused != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	if peak == 0 || peak > 32<<20 {
		t.Errorf("heap of %d MiB", peak>>20)
	}
	t.Logf("peak %.1f MiB of heap over %d batches", float64(peak)/(1<<20), batches)
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"lead_id,a\n1,\"x\ny\"\n2,\"z\n3,4\n", "lead_id\r\n1\r\n", "{\"lead_id\":\"1\"}\n{", "lead_id,a\n\"1\"\"\",\\N\n", "\ufefflead_id,a,\n1,,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		total := strings.Count(text, "\n") + 1
		see := func(line int) {
			if line <= last || line > total {
				t.Fatalf("line %d after %d of %d", line, last, total)
			}
			last = line
		}
		_ = read(t.Context(), strings.NewReader(text), "x", Options{}, 300, func(r Record) error {
			see(r.Line)
			if r.Entry.EventID == nil || r.Entry.LeadID == nil || r.Entry.Properties == nil {
				t.Fatal("an entry without its needed columns")
			}
			return nil
		}, func(line int, err error) {
			see(line)
			if err == nil {
				t.Fatal("refused without an error")
			}
		})
	})
}

func BenchmarkReadCSV(b *testing.B) {
	text := file(10000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := Read(b.Context(), strings.NewReader(text), "a.csv", Options{}, func(Record) error { return nil }, nil); err != nil {
			b.Fatal(err)
		}
	}
}
