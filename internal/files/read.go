package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrTooLarge is of a file that is longer than its reader takes.
var ErrTooLarge = errors.New("it is too large")

// ReadRegular reads a file of at most so many bytes. Links are followed, as a mounted secret needs them; a pipe, a
// device and a folder are ErrNotRegular at once, but the null device, which is an empty file.
func ReadRegular(path string, most int64) ([]byte, error) {
	if path == os.DevNull {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if file, err = regular(file); err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w, more than %d bytes", ErrTooLarge, most)}
	}
	return text, nil
}

// OpenInput opens a file that a person named, to be read from begin to end: a file or a pipe, no device. The superuser
// follows no link that another user could have made, so that nobody has a file read to him that he may not read
// himself. Reading, and waiting for who writes a pipe, end with ctx.
func OpenInput(ctx context.Context, path string) (*Input, error) {
	st, err := lookAt(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() && st.Mode()&fs.ModeNamedPipe == 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w but %s; hand it over on standard input", ErrNotRegular, kind(st.Mode()))}
	}
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() { // a pipe is not open before it has a writer
		file, err := os.Open(path)
		done <- opened{file, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case o := <-done:
		if o.err != nil {
			return nil, o.err
		}
		if now, err := o.file.Stat(); err != nil || !os.SameFile(now, st) {
			return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: errors.New("it was replaced meanwhile")}, err, o.file.Close())
		}
		size := st.Size()
		if !st.Mode().IsRegular() {
			size = 0
		}
		return &Input{Reader: Patient(ctx, o.file), Size: size, file: o.file}, nil
	}
}

// lookAt is what path names, reached by links of this user's and the superuser's own.
func lookAt(path string) (fs.FileInfo, error) {
	if os.Geteuid() != 0 {
		return os.Stat(path)
	}
	path, err := Follow(path)
	if err != nil {
		return nil, err
	}
	st, _, err := step(path)
	return st, err
}

// Follow follows the links at the last name of path, as the superuser may, and returns the name that is no link.
// Nothing needs to be there.
func Follow(path string) (string, error) {
	for range maxLinks {
		_, target, err := step(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil || target == "" {
			return path, err
		}
		path = target
	}
	return path, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

// step looks at one name; target is where a link leads that may be followed.
func step(path string) (st fs.FileInfo, target string, err error) {
	f, name, err := Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close() //nolint:errcheck // only looked
	st, err = f.Lstat(name)
	switch {
	case err != nil || st.Mode()&fs.ModeSymlink == 0:
		return st, "", err
	case f.foreign && !f.kept(st):
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: ErrLink}
	case strings.HasPrefix(f.path, "/proc/"): // /dev/fd/63 is what this process has open, not a name that could be walked to
		st, err = os.Stat(path)
		return st, "", err
	}
	if target, err = f.root.Readlink(name); err == nil && !filepath.IsAbs(target) {
		target = f.Path(target)
	}
	return nil, target, err
}

// Input is a file to be read once.
type Input struct {
	io.Reader
	// Size is the length of a file, 0 for a pipe.
	Size int64

	file *os.File
}

// Close closes the file.
func (i *Input) Close() error { return i.file.Close() }

// Patient reads from r until ctx ends: a read that waits then returns the cause, and what r says later is lost.
func Patient(ctx context.Context, r io.Reader) io.Reader { return &patient{ctx: ctx, from: r} }

type patient struct {
	ctx  context.Context
	from io.Reader
	buf  []byte
	got  chan taken
	have []byte
	err  error
}

type taken struct {
	n   int
	err error
}

const chunk = 64 << 10

func (p *patient) Read(into []byte) (int, error) {
	if len(p.have) == 0 && p.err == nil {
		if p.got == nil {
			p.buf, p.got = make([]byte, chunk), make(chan taken, 1)
		}
		go func() {
			n, err := p.from.Read(p.buf)
			p.got <- taken{n, err}
		}()
		select {
		case <-p.ctx.Done():
			p.err = context.Cause(p.ctx)
		case t := <-p.got:
			p.have, p.err = p.buf[:t.n], t.err
		}
	}
	if len(p.have) == 0 {
		return 0, p.err
	}
	n := copy(into, p.have)
	p.have = p.have[n:]
	return n, nil
}
