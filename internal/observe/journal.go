package observe

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// journalSocket takes native entries: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ (read 2026-11-24).
const journalSocket = "/run/systemd/journal/socket"

const (
	// maxField bounds one field: a datagram that does not fit into the socket's buffer is lost whole.
	maxField = 8 << 10
	// journalPatience is how long a line may wait for journald. Whatever logs must not stand still with it.
	journalPatience = time.Second
	// journalRetry is how long lines go to standard error after journald did not take one.
	journalRetry = 10 * time.Second
	// fieldPrefix keeps our fields apart from those of other programs and of systemd.
	fieldPrefix = "LEADSYNC_"
)

// journalHandler writes each record as one entry of the journal. MESSAGE is the line a person reads; beside it
// PRIORITY, SYSLOG_IDENTIFIER, LEADSYNC_EVENT with the constant message, each attribute as LEADSYNC_ and its key in
// capitals, and MESSAGE_ID for the events of Events. Where journald does not listen, or not in time, the line goes to
// out with its priority in front ("<4>"), which journald understands on a service's standard error:
// https://www.freedesktop.org/software/systemd/man/sd-daemon.html (read 2026-11-22).
type journalHandler struct {
	level  slog.Leveler
	to     *journal
	attrs  []journalAttr // given by With, with their groups in front
	groups string        // "a.b." before every further key
}

type journalAttr struct{ key, value string }

type journal struct {
	socket string // empty = write to out alone
	out    io.Writer

	mu      sync.Mutex
	conn    *net.UnixConn
	retryAt time.Time
}

func newJournalHandler(out io.Writer, level slog.Leveler, socket string) *journalHandler {
	return &journalHandler{level: level, to: &journal{socket: socket, out: out}}
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		next.attrs = flatten(next.attrs, h.groups, a)
	}
	return &next
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.groups += name + "."
	return &next
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs[:len(h.attrs):len(h.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.groups, a)
		return true
	})
	event := Mask(r.Message)
	var line bytes.Buffer
	line.WriteString(oneLine(event))
	for _, a := range attrs {
		line.WriteString(" " + a.key + "=" + quoteIfNeeded(a.value))
	}
	if h.to.socket != "" {
		if h.to.send(entry(r.Level, event, line.String(), attrs)) == nil {
			return nil
		}
	}
	return h.to.fallBack("<" + strconv.Itoa(priority(r.Level)) + ">" + line.String() + "\n")
}

// flatten adds an attribute, masked, and the members of a group.
func flatten(to []journalAttr, prefix string, a slog.Attr) []journalAttr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			to = flatten(to, prefix, member)
		}
		return to
	}
	if a.Equal(slog.Attr{}) {
		return to
	}
	a = Redact(nil, a)
	value := a.Value.String()
	if a.Value.Kind() == slog.KindTime {
		value = a.Value.Time().UTC().Format(time.RFC3339Nano)
	}
	return append(to, journalAttr{prefix + a.Key, value})
}

// entry is the datagram.
func entry(level slog.Level, event, line string, attrs []journalAttr) []byte {
	var b bytes.Buffer
	field(&b, "MESSAGE", line)
	field(&b, "PRIORITY", strconv.Itoa(priority(level)))
	field(&b, "SYSLOG_IDENTIFIER", "leadsync")
	if id := MessageID(event); id != "" {
		field(&b, "MESSAGE_ID", id)
	}
	field(&b, fieldPrefix+"EVENT", event)
	for _, a := range attrs {
		field(&b, fieldName(a.key), a.value)
	}
	return b.Bytes()
}

// field writes KEY=value, or KEY, its length and the value where that has more than one line.
func field(b *bytes.Buffer, key, value string) {
	if len(value) > maxField {
		value = strings.ToValidUTF8(value[:maxField], "") + "..."
	}
	if !strings.Contains(value, "\n") {
		b.WriteString(key + "=" + value + "\n")
		return
	}
	b.WriteString(key + "\n")
	_ = binary.Write(b, binary.LittleEndian, uint64(len(value))) // a buffer takes everything
	b.WriteString(value + "\n")
}

// fieldName makes a name that journald takes: capitals, digits and _, at most 64.
func fieldName(key string) string {
	name := fieldPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), 64)]
}

// send gives one entry to journald.
func (j *journal) send(datagram []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Now().Before(j.retryAt) {
		return net.ErrClosed
	}
	for range 2 { // a journald that was restarted has a new socket
		if j.conn == nil {
			conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.socket, Net: "unixgram"})
			if err != nil {
				break
			}
			j.conn = conn
		}
		_ = j.conn.SetWriteDeadline(time.Now().Add(journalPatience)) // Write says what is wrong with it
		if _, err := j.conn.Write(datagram); err == nil {
			return nil
		}
		_ = j.conn.Close()
		j.conn = nil
	}
	j.retryAt = time.Now().Add(journalRetry)
	return net.ErrClosed
}

// fallBack writes the line where it can be seen too.
func (j *journal) fallBack(line string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err := io.WriteString(j.out, line)
	return err
}

// priority is the level in syslog's numbers.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// quoteIfNeeded is a value as slog's text has it.
func quoteIfNeeded(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f || r == '\uFFFD' }) {
		return strconv.Quote(s)
	}
	return s
}

// oneLine keeps a message from beginning a line of its own, which could carry a priority of its own.
func oneLine(s string) string {
	if strings.ContainsAny(s, "\n\r") {
		return strconv.Quote(s)
	}
	return s
}
