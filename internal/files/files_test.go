package files

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadingNeverWaits: a pipe without a writer, a device without an end, a folder and a file that is too long are
// refused at once.
func TestReadingNeverWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, long, good, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "long"), filepath.Join(dir, "good"), filepath.Join(dir, "link")
	err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(long, make([]byte, 100), 0o600), os.WriteFile(good, []byte("abc"), 0o600), os.Symlink(good, link))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{pipe: ErrNotRegular, "/dev/zero": ErrNotRegular, dir: ErrNotRegular, long: ErrTooLarge, good: nil, link: nil,
		os.DevNull: nil, filepath.Join(dir, "none"): os.ErrNotExist} {
		text, err := ReadRegular(path, 10)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %q, %v, want %v", path, text, err, want)
		}
	}
}

// TestInputEndsWithTheContext: a pipe that nobody opens, one that nobody writes to, and standard input.
func TestInputEndsWithTheContext(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	end := errors.New("end")
	within := func(what string, f func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan error, 1)
		go func() { got <- f(ctx) }()
		cancel(end)
		select {
		case err := <-got:
			if !errors.Is(err, end) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: waits for ever", what)
		}
	}
	within("opening", func(ctx context.Context) error { _, err := OpenInput(ctx, pipe); return err })
	held, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	within("reading", func(ctx context.Context) error {
		in, err := OpenInput(context.WithoutCancel(ctx), pipe)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = Patient(ctx, in).Read(make([]byte, 1))
		return err
	})
	r, w := io.Pipe()
	defer w.Close()
	within("standard input", func(ctx context.Context) error { _, err := io.ReadAll(Patient(ctx, r)); return err })
	if _, err := OpenInput(t.Context(), "/dev/zero"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("device: %v", err)
	}
}

// TestPatientReadsAll: what comes is what was given, in pieces of any size, with its end.
func TestPatientReadsAll(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("leads ", 50_000)
	got, err := io.ReadAll(Patient(t.Context(), strings.NewReader(text)))
	if err != nil || string(got) != text {
		t.Errorf("%d of %d bytes, %v", len(got), len(text), err)
	}
}

// TestWhoControlsAFolder: owner, mode and the folders above it decide whether other users can change its names.
func TestWhoControlsAFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: folders of several users (needs root)")
	}
	const app = 1234
	type dir struct {
		uid, gid int
		mode     os.FileMode
	}
	for name, c := range map[string]struct {
		above, here dir
		foreign     bool
	}{
		"root's":                        {dir{0, 0, 0o755}, dir{0, 0, 0o700}, false},
		"root's, group root may":        {dir{0, 0, 0o755}, dir{0, 0, 0o775}, false},
		"root's, a group may":           {dir{0, 0, 0o755}, dir{0, app, 0o775}, true},
		"everybody may":                 {dir{0, 0, 0o755}, dir{0, 0, 0o777}, true},
		"of another":                    {dir{0, 0, 0o755}, dir{app, app, 0o700}, true},
		"root's below another's":        {dir{app, app, 0o755}, dir{0, 0, 0o700}, true},
		"root's below a sticky one":     {dir{0, 0, 0o777 | os.ModeSticky}, dir{0, 0, 0o700}, false},
		"another's below a sticky one":  {dir{0, 0, 0o777 | os.ModeSticky}, dir{app, app, 0o700}, true},
		"root's below another's sticky": {dir{app, app, 0o777 | os.ModeSticky}, dir{0, 0, 0o700}, true},
	} {
		above := filepath.Join(t.TempDir(), "above")
		here := filepath.Join(above, "here")
		err := errors.Join(os.Mkdir(above, 0o700), os.Mkdir(here, 0o700), os.Chown(here, c.here.uid, c.here.gid), os.Chmod(here, c.here.mode),
			os.Chown(above, c.above.uid, c.above.gid), os.Chmod(above, c.above.mode))
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenDir(here)
		if err != nil {
			t.Fatal(err)
		}
		if f.Foreign() != c.foreign {
			t.Errorf("%s: foreign %t", name, f.Foreign())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRootReadsNothingThroughLinksOfOthers: whoever may not read a file cannot have it imported by a link.
func TestRootReadsNothingThroughLinksOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a folder of another user (needs root)")
	}
	dir := t.TempDir()
	secret, app := filepath.Join(dir, "secret"), filepath.Join(dir, "app")
	err := errors.Join(os.WriteFile(secret, []byte("x"), 0o600), os.Mkdir(app, 0o755), os.Chown(app, 1234, 1234), os.Symlink(secret, filepath.Join(app, "leads.csv")),
		os.Symlink(dir, filepath.Join(app, "up")), os.Symlink(secret, filepath.Join(dir, "own")), os.Symlink("own", filepath.Join(dir, "again")), os.Symlink("loop", filepath.Join(dir, "loop")))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"app/leads.csv": ErrLink, "app/up/secret": ErrLink, "own": nil, "again": nil, "secret": nil, "loop": syscall.ELOOP} {
		in, err := OpenInput(t.Context(), filepath.Join(dir, name))
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if in != nil {
			in.Close()
		}
	}
}

// TestMakeOwn: root works by names in no folder that another user controls, and makes one where none is.
func TestMakeOwn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a folder of another user (needs root)")
	}
	dir := t.TempDir()
	app, sticky := filepath.Join(dir, "app"), filepath.Join(dir, "sticky")
	err := errors.Join(os.Mkdir(app, 0o755), os.Chown(app, 1234, 1234), os.Mkdir(filepath.Join(app, "roots"), 0o700), os.Mkdir(sticky, 0o700),
		os.Chmod(sticky, 0o777|os.ModeSticky), os.Mkdir(filepath.Join(sticky, "theirs"), 0o777), os.Chown(filepath.Join(sticky, "theirs"), 1234, 1234),
		os.Symlink(dir, filepath.Join(app, "up")))
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{"new/deep": true, "new": true, "sticky/new": true, "sticky/theirs": false, "app": false, "app/new": false, "app/roots": false,
		"app/up/more": false} {
		if err := MakeOwn(filepath.Join(dir, name)); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "more")); err == nil {
		t.Error("made through a link of another user")
	}
}
