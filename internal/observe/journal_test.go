package observe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// journald listens as journald does and returns the fields of each entry.
func journald(t *testing.T) (socket string, read func() map[string]string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "jd") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return socket, func() map[string]string {
		t.Helper()
		buf := make([]byte, 1<<20)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return parseEntry(t, buf[:n])
	}
}

// parseEntry reads https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ as journald does.
func parseEntry(t *testing.T, b []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			t.Fatalf("a field without an end: %q", b)
		}
		key, value, plain := bytes.Cut(line, []byte("="))
		if !plain {
			n := binary.LittleEndian.Uint64(rest)
			value, rest = rest[8:8+n], rest[8+n+1:]
		}
		out[string(key)] = string(value)
		b = rest
	}
	return out
}

func TestJournalEntry(t *testing.T) {
	socket, read := journald(t)
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(newJournalHandler(&out, level, socket))
	log.With(LeadHash, "0123456789ab").WithGroup("g").Error(EntryDeadLettered, OutboxID, 17, "note", "two\nlines", "at", time.UnixMilli(0), Err,
		errors.New("to ada@example.com with Bearer s3cr3tbearer"), "big", strings.Repeat("x", 3*maxField), slog.Group("in", "Ärger-1", 1.5))
	got := read()
	for key, want := range map[string]string{
		"PRIORITY": "3", "SYSLOG_IDENTIFIER": "leadsync", "MESSAGE_ID": MessageID(EntryDeadLettered), "LEADSYNC_EVENT": EntryDeadLettered,
		"LEADSYNC_LEAD_HASH": "0123456789ab", "LEADSYNC_G_OUTBOX_ID": "17", "LEADSYNC_G_NOTE": "two\nlines", "LEADSYNC_G_AT": "1970-01-01T00:00:00Z",
		"LEADSYNC_G_ERR": "to [address] with Bearer [token]", "LEADSYNC_G_IN__RGER_1": "1.5",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if n := len(got["LEADSYNC_G_BIG"]); n != maxField+3 {
		t.Errorf("a long field has %d bytes, want %d", n, maxField+3)
	}
	if want := `entry dead-lettered lead_hash=0123456789ab g.outbox_id=17 g.note="two\nlines" `; !strings.HasPrefix(got["MESSAGE"], want) {
		t.Errorf("MESSAGE is %q, want %q...", got["MESSAGE"], want)
	}
	log.Debug("not seen")
	level.Set(slog.LevelDebug)
	log.Debug("seen", slog.Group("", "inline", true))
	if got := read(); got["LEADSYNC_EVENT"] != "seen" || got["PRIORITY"] != "7" || got["MESSAGE_ID"] != "" || got["LEADSYNC_INLINE"] != "true" {
		t.Errorf("%q", got)
	}
	if out.Len() > 0 {
		t.Errorf("written to standard error too: %q", out.String())
	}
}

// A journald that is away, or that stands still, costs a second at most, and the line goes where it can be seen.
func TestJournalAway(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newJournalHandler(&out, slog.LevelInfo, filepath.Join(t.TempDir(), "none")))
	log.Warn(PushDegraded, Class, "transient")
	if want := "<4>push degraded class=transient\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}

	out.Reset()
	socket, _ := journald(t) // nobody reads: the queue of the socket fills
	log = slog.New(newJournalHandler(&out, slog.LevelInfo, socket))
	begun := time.Now()
	for range 2000 {
		log.Warn(PushDegraded)
	}
	if d := time.Since(begun); out.Len() == 0 || d > 5*time.Second {
		t.Errorf("%d bytes on standard error after %s", out.Len(), d)
	}
}
