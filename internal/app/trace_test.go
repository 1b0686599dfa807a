package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/backoff"
)

// trace keeps what a test's daemons asked of HubSpot and what became of the rows, as text that can be compared: run the
// tests with LEADSYNC_TRACE=FOLDER before and after a change that must change nothing, and compare the folders with
// diff -r. A file is named after its test. Times are left out, since a real file decides at which look of many a new
// row is seen; requests of one moment stand in the order of their text, since goroutines that wake together have none;
// and waits have no random part. Where a scripted fault meets whichever of two requests comes first, a test has two
// traces: compare those by eye.
type trace struct {
	file  string
	began time.Time

	mu    sync.Mutex
	lines []traceLine
}

type traceLine struct {
	at   time.Duration
	text string
}

// traces counts the rigs of a test, so that each has a file.
var traces sync.Map

func newTrace(test string) *trace {
	dir := os.Getenv("LEADSYNC_TRACE")
	if dir == "" {
		return nil
	}
	for _, waits := range []*backoff.Schedule{&databaseWaits, &outageWaits, &pullWaits, &rowWaits} {
		waits.Jitter = 0
	}
	n, _ := traces.LoadOrStore(test, new(int))
	*n.(*int)++
	name := regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(test, "_")
	return &trace{file: filepath.Join(dir, fmt.Sprintf("%s.%d", name, *n.(*int))), began: time.Now()}
}

// wrap records what goes over the transport.
func (t *trace) wrap(base http.RoundTripper) http.RoundTripper {
	if t == nil {
		return base
	}
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		at, text := time.Since(t.began), req.Method+" "+req.URL.RequestURI()
		if req.Body != nil {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			text += " " + steady(body)
		}
		res, err := base.RoundTrip(req)
		if err != nil {
			text += " -> no answer"
		} else {
			text += fmt.Sprintf(" -> %d", res.StatusCode)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lines = append(t.lines, traceLine{at, text})
		return res, err
	})
}

var randomWords = regexp.MustCompile(`("objectWriteTraceId":)"[^"]*"`)

// steady is a JSON body without its random words, its inputs in order; any other body is told by its length.
func steady(body []byte) string {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return fmt.Sprintf("(%d bytes)", len(body))
	}
	if inputs, ok := v["inputs"].([]any); ok {
		slices.SortFunc(inputs, func(a, b any) int {
			return strings.Compare(withoutRandom(a), withoutRandom(b))
		})
	}
	return withoutRandom(v)
}

func withoutRandom(v any) string { return randomWords.ReplaceAllString(toJSON(v), `$1"*"`) }

// write ends the trace: the requests, the rows as they ended, and what the application was told.
func (t *trace) write(r *rig) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortStableFunc(t.lines, func(a, b traceLine) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.text, b.text)
	})
	var b strings.Builder
	for _, l := range t.lines {
		fmt.Fprintln(&b, l.text)
	}
	for _, q := range []string{
		`SELECT 'row', id, lead_id, event_type, state, coalesce(reason, ''), coalesce(note, ''), attempts, coalesce(contact_id, '')
		   FROM lead_outbox ORDER BY id`,
		`SELECT 'told', coalesce(lead_id, ''), coalesce(contact_id, ''), change_type, coalesce(properties, '') FROM lead_inbox ORDER BY id`,
	} {
		rows, err := r.db.Query(q)
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err) // a test that took the table away
			continue
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			cells, into := make([]string, len(columns)), make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				fmt.Fprintf(&b, "%v\n", err)
				break
			}
			for i := range cells {
				cells[i] = cells[i][:min(len(cells[i]), 2000)]
			}
			fmt.Fprintln(&b, strings.Join(cells, " | "))
		}
		must(r.t, rows.Close())
	}
	must(r.t, os.MkdirAll(filepath.Dir(t.file), 0o755))
	must(r.t, os.WriteFile(t.file, []byte(b.String()), 0o600))
}
