package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// Options says how a logger renders its lines.
type Options struct {
	// Out takes the lines, usually os.Stderr; nil is os.Stderr.
	Out io.Writer
	// Format is auto, text, json or journal; "" is auto. Auto is journal when Out is the journal's own stream, text on a terminal,
	// JSON elsewhere. journal is text with the priority before it ("<4>"), which journald turns into PRIORITY=.
	Format string
	// Level is debug, info, warn or error; "" is info.
	Level string
}

// New builds a logger and the level it obeys, which may be changed at any time. Everything it writes has passed Mask. Safe for
// concurrent use. An unknown format or level is an error.
func New(o Options) (*slog.Logger, *slog.LevelVar, error) {
	if o.Out == nil {
		o.Out = os.Stderr
	}
	level := new(slog.LevelVar)
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, nil, fmt.Errorf("log level: %w", err)
		}
	}
	format := o.Format
	if format == "" || format == "auto" {
		format = autoFormat(o.Out)
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: Redact}
	var h slog.Handler
	switch format {
	case "text":
		if isTerminal(o.Out) {
			h = tint.NewTextHandler(o.Out, &tint.Options{Level: level, ReplaceAttr: Redact, TimeFormat: time.TimeOnly})
		} else {
			h = slog.NewTextHandler(o.Out, options)
		}
	case "json":
		h = slog.NewJSONHandler(o.Out, options)
	case "journal":
		h = newJournalHandler(o.Out, level)
	default:
		return nil, nil, fmt.Errorf("log format %q, want auto, text, json or journal", o.Format)
	}
	return slog.New(h), level, nil
}

func autoFormat(out io.Writer) string {
	if out == io.Writer(os.Stderr) {
		if connected, err := journal.StderrIsJournalStream(); err == nil && connected {
			return "journal"
		}
	}
	if isTerminal(out) {
		return "text"
	}
	return "json"
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Redact is a ReplaceAttr that masks texts, errors and whatever else would print an address or a token. Numbers, times and
// durations pass as they are; a value whose text would need masking is replaced by the masked text.
func Redact(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Mask(a.Value.String()))
	case slog.KindAny:
		switch x := a.Value.Any().(type) {
		case nil, *slog.Source, slog.Level:
		case error:
			a.Value = slog.StringValue(Mask(x.Error()))
		default:
			text := fmt.Sprintf("%+v", x)
			if masked := Mask(text); masked != text {
				a.Value = slog.StringValue(masked)
			}
		}
	}
	return a
}

// journalHandler writes one line a record, with the priority in front: https://www.freedesktop.org/software/systemd/man/sd-daemon.html
// (read 2026-11-22). journald adds the time, so the line has none.
type journalHandler struct {
	inner slog.Handler // writes to line
	line  *journalLine
}

type journalLine struct {
	mu  sync.Mutex
	buf bytes.Buffer
	out io.Writer
}

func newJournalHandler(out io.Writer, level slog.Leveler) *journalHandler {
	line := &journalLine{out: out}
	replace := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return Redact(groups, a)
	}
	return &journalHandler{line: line, inner: slog.NewTextHandler(&line.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})}
}

func (h *journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.inner.Enabled(ctx, l)
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	h.line.buf.WriteString(priority(r.Level))
	if err := h.inner.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.line.out.Write(h.line.buf.Bytes())
	return err
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{inner: h.inner.WithAttrs(attrs), line: h.line}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{inner: h.inner.WithGroup(name), line: h.line}
}

func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}
