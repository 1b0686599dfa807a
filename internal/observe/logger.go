package observe

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	sdjournal "github.com/coreos/go-systemd/v22/journal"
	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// Options says how a logger renders its lines.
type Options struct {
	// Out takes the lines, usually os.Stderr; nil is os.Stderr.
	Out io.Writer
	// Format is auto, text, json or journal; "" is auto. Auto is journal when Out is the journal's own stream, text on a
	// terminal, JSON elsewhere. journal gives journald native entries with a field for each attribute when Out is standard
	// error, and text with the priority before it ("<4>") otherwise and whenever journald does not listen.
	Format string
	// Level is debug, info, warn or error; "" is info.
	Level string
}

// New builds a logger and the level it obeys, which may be changed at any time. Everything it writes has passed Mask.
// Safe for concurrent use. An unknown format or level is an error.
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
		h = slog.NewJSONHandler(SafeJSON(o.Out), options)
	case "journal":
		socket := ""
		if o.Out == io.Writer(os.Stderr) {
			socket = journalSocket
		}
		h = newJournalHandler(o.Out, level, socket)
	default:
		return nil, nil, fmt.Errorf("log format %q, want auto, text, json or journal", o.Format)
	}
	return slog.New(h), level, nil
}

func autoFormat(out io.Writer) string {
	if out == io.Writer(os.Stderr) {
		if connected, err := sdjournal.StderrIsJournalStream(); err == nil && connected {
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

// Redact is a ReplaceAttr that masks texts, errors and whatever else would print an address or a token. Numbers, times
// and durations pass as they are; a value whose text would need masking is replaced by the masked text.
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
