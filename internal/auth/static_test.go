package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tokenFile is a file with a token in it, and a count of how often it was read.
type tokenFile struct {
	path  string
	reads int
}

func newTokenFile(t *testing.T, content string) *tokenFile {
	f := &tokenFile{path: filepath.Join(t.TempDir(), "hubspot-token")}
	f.write(t, content)
	return f
}

func (f *tokenFile) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *tokenFile) read(path string) ([]byte, error) {
	f.reads++
	return os.ReadFile(path)
}

// wantToken takes a token and compares it.
func wantToken(t *testing.T, s *Static, value string, generation int64) {
	t.Helper()
	got, g, err := s.Token(t.Context())
	if err != nil || got.Reveal() != value || g != generation {
		t.Fatalf("got a token equal to the expected one: %t, generation %d, %v; want generation %d", got.Reveal() == value, g, err, generation)
	}
}

func TestStaticReadsOnce(t *testing.T) {
	f := newTokenFile(t, "  pat-na1-first\r\n")
	s := NewStatic(f.path, f.read)
	if f.reads != 0 {
		t.Error("read before the first token was asked for")
	}
	for range 3 {
		wantToken(t, s, "pat-na1-first", 1)
	}
	f.write(t, "pat-na1-second") // HubSpot still takes the first: nothing is known of the change
	wantToken(t, s, "pat-na1-first", 1)
	if f.reads != 1 {
		t.Errorf("read %d times", f.reads)
	}
}

// A refused token is read again; it counts as newer only when the content changed.
func TestStaticAfterReject(t *testing.T) {
	f := newTokenFile(t, "pat-na1-first")
	s := NewStatic(f.path, f.read)
	wantToken(t, s, "pat-na1-first", 1)

	reject := func(generation int64) {
		t.Helper()
		if err := s.Reject(t.Context(), generation); err != nil {
			t.Fatal(err)
		}
	}
	reject(1)
	f.write(t, "pat-na1-first\n") // the same but for white space
	wantToken(t, s, "pat-na1-first", 1)
	if f.reads != 2 {
		t.Errorf("read %d times", f.reads)
	}

	reject(1)
	f.write(t, "pat-na1-second")
	wantToken(t, s, "pat-na1-second", 2)

	// Requests that left with the first token are refused late: the second was not.
	f.write(t, "pat-na1-third")
	reject(1)
	wantToken(t, s, "pat-na1-second", 2)
	if f.reads != 3 {
		t.Errorf("read %d times", f.reads)
	}
	reject(2)
	wantToken(t, s, "pat-na1-third", 3)
}

// What is no token: each says that a person must act, names the file, and never shows the content.
func TestStaticWithoutToken(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "blank": " \n\t", "unset": "unset", "unset with a line end": "unset\n",
		"two lines": "pat-na1-secret\npat-na1-other", "a blank inside": "pat na1-secret", "a control character": "pat-na1-\x00secret",
		"a byte order mark": "\ufeffpat-na1-secret", "letters outside ASCII": "pät-na1-secret", "bytes that are no text": "pat\xff-secret",
		"a header of its own": "secret\r\nX-Injected: secret",
	} {
		f := newTokenFile(t, content)
		s := NewStatic(f.path, f.read)
		value, generation, err := s.Token(t.Context())
		e, ok := errors.AsType[*NoTokenError](err)
		if !ok || !errors.Is(err, ErrNoToken) || !e.Unauthorized() || !value.Empty() || generation != 0 {
			t.Errorf("%s: generation %d, %v", name, generation, err)
			continue
		}
		if err.Error() != "no token in "+f.path || strings.Contains(fmt.Sprintf("%+v", err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		f.write(t, "pat-na1-good") // found without a restart
		wantToken(t, s, "pat-na1-good", 1)
	}
}

func TestStaticMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone")
	s := NewStatic(path, os.ReadFile)
	_, _, err := s.Token(t.Context())
	if !errors.Is(err, ErrNoToken) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	// A file that goes away later is missed only when HubSpot refused what came from it.
	f := newTokenFile(t, "pat-na1-first")
	s = NewStatic(f.path, f.read)
	wantToken(t, s, "pat-na1-first", 1)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	wantToken(t, s, "pat-na1-first", 1)
	_ = s.Reject(t.Context(), 1)
	if _, _, err = s.Token(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was removed: %v", err)
	}
	f.write(t, "pat-na1-second")
	wantToken(t, s, "pat-na1-second", 2)
}

// Requests that are refused together cause one reload.
func TestStaticTogether(t *testing.T) {
	f := newTokenFile(t, "pat-na1-first")
	s := NewStatic(f.path, f.read)
	wantToken(t, s, "pat-na1-first", 1)
	f.write(t, "pat-na1-second")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_ = s.Reject(t.Context(), 1)
			if got, g, err := s.Token(t.Context()); err != nil || g != 2 || got.Reveal() != "pat-na1-second" {
				t.Errorf("generation %d, %v", g, err)
			}
		})
	}
	wg.Wait()
	if f.reads != 2 {
		t.Errorf("read %d times", f.reads)
	}
}

func TestG9StaticPrintsNoToken(t *testing.T) {
	f := newTokenFile(t, "pat-na1-secret")
	s := NewStatic(f.path, f.read)
	value, _, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", value, "source", s)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", value, value, value, value, value, value), fmt.Sprintf("%v %+v %#v", s, s, s), log.String()} {
		if strings.Contains(text, "secret\"") || strings.Contains(text, "pat-na1") || strings.Contains(text, fmt.Sprintf("%x", "pat-na1")) {
			t.Errorf("printed: %s", text)
		}
	}
}
