package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// planted are the things that must not come out of a logger, whatever road they take in.
var planted = []string{"ada@example.com", "pat-na1-11111111-2222-3333", "s3cr3tbearer"}

type person struct{ Name, Email string }

func TestG9LoggerMasksEverything(t *testing.T) {
	for _, format := range []string{"text", "json", "journal"} {
		var out bytes.Buffer
		log, _, err := New(Options{Out: &out, Format: format, Level: "debug"})
		if err != nil {
			t.Fatal(err)
		}
		text := "Bearer s3cr3tbearer for ada@example.com with pat-na1-11111111-2222-3333"
		failure := fmt.Errorf("wrap: %w", errors.New(text))
		log.Error(text, Err, failure, "s", text, "list", []string{text}, "map", map[string]string{"k": text}, "struct", person{"Ada", text},
			"pointer", &person{"Ada", text}, slog.Group("g", "inner", text, Err, failure), "bytes", json(text))
		log.With("w", text, Err, failure).WithGroup("group").Info("x", "y", text)
		for _, secret := range planted {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%s: %s came out:\n%s", format, secret, out.String())
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%s: %d lines, want 2:\n%s", format, n, out.String())
		}
	}
}

// json is a type whose text holds an address, to go through fmt.Stringer.
type json string

func (j json) String() string { return "(" + string(j) + ")" }

func TestFormats(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"json", `^\{"time":"[^"]+","level":"WARN","msg":"push degraded","class":"transient","g":\{"attempt":2\}\}\n$`},
		{"auto", `^\{"time":"[^"]+","level":"WARN","msg":"push degraded","class":"transient","g":\{"attempt":2\}\}\n$`},
		{"text", `^time=\S+ level=WARN msg="push degraded" class=transient g.attempt=2\n$`},
		{"journal", `^<4>push degraded class=transient g.attempt=2\n$`},
	} {
		var out bytes.Buffer
		log, _, err := New(Options{Out: &out, Format: c.format})
		if err != nil {
			t.Fatal(err)
		}
		log.With(Class, "transient").WithGroup("g").Warn(PushDegraded, Attempt, 2)
		if !regexp.MustCompile(c.want).MatchString(out.String()) {
			t.Errorf("%s: %q", c.format, out.String())
		}
	}
	if _, _, err := New(Options{Out: io.Discard, Format: "xml"}); err == nil {
		t.Error("format xml accepted")
	}
	if _, _, err := New(Options{Out: io.Discard, Level: "loud"}); err == nil {
		t.Error("level loud accepted")
	}
}

func TestLevelAtRunTimeAndPriorities(t *testing.T) {
	var out bytes.Buffer
	log, level, err := New(Options{Out: &out, Format: "journal", Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("a")
	level.Set(slog.LevelDebug)
	log.Debug("b")
	log.Info("c")
	log.Warn("d")
	log.Error("e\n<0>forged")
	want := "<7>b\n<6>c\n<4>d\n<3>\"e\\n<0>forged\"\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		plain := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		l := NewLimiter(plain, 0)
		if l.Recovered(t.Context(), "k", PushRecovered) {
			t.Error("recovered from nothing")
		}
		for range 130 { // two minutes and ten seconds
			l.Log(t.Context(), slog.LevelWarn, "k", PushDegraded, slog.String(Class, "transient"))
			time.Sleep(time.Second)
		}
		l.Log(t.Context(), slog.LevelWarn, "other", PushPaused)
		l.Recovered(t.Context(), "k", PushRecovered)
		l.Log(t.Context(), slog.LevelWarn, "k", PushDegraded) // a new trouble speaks at once
		want := strings.Join([]string{
			`level=WARN msg="push degraded" class=transient`,
			`level=WARN msg="push degraded" class=transient suppressed=59`,
			`level=WARN msg="push degraded" class=transient suppressed=59`,
			`level=WARN msg="push paused"`,
			`level=INFO msg="push recovered" count=130 elapsed=2m10s`,
			`level=WARN msg="push degraded"`,
			""}, "\n")
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
}

func TestLimiterTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(slog.New(slog.DiscardHandler), time.Minute)
		for i := range 3 * maxTroubles {
			l.Log(t.Context(), slog.LevelWarn, fmt.Sprint(i), PushDegraded)
			l.Log(t.Context(), slog.LevelWarn, "busy", PushDegraded)
			time.Sleep(time.Millisecond)
		}
		if len(l.troubles) > maxTroubles {
			t.Errorf("%d keys kept, want at most %d", len(l.troubles), maxTroubles)
		}
		if l.troubles["busy"] == nil || l.troubles["busy"].total != 3*maxTroubles {
			t.Error("a busy key was pushed out")
		}
	})
}
