// Package files opens files by name where somebody else may change what the names mean.
//
// Guarantee: the superuser follows no link that another user could have made, opens no device and no pipe in place of a
// file, creates a file only where none was, and gives to the folder's owner only what it created itself. Reading a
// named file never waits for a pipe's other end and has a bound.
//
// It does not protect a user from itself: who is not the superuser has no rights to lend, so links are followed in the
// folder's path, but never at the name of a file that leadsync makes.
//
// Design: the path is walked from the root, folder by folder, each opened below the handle of the one before (os.Root),
// and the names in the last one are used through its handle, so that nothing between looking and opening can lead
// elsewhere. Becoming the folder's owner for the work was rejected: the identity belongs to the whole process, which
// still has root's credentials to read.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is Linux's own bound on the links of one path.
const maxLinks = 40

// The reasons for which a name is not opened. They name no path: the caller has it.
var (
	ErrLink       = errors.New("it is a symbolic link in a folder that another user controls, which root does not follow")
	ErrNotRegular = errors.New("it is not a regular file")
)

// Folder is an open folder. Close it. Not safe for concurrent use.
type Folder struct {
	path    string   // without links
	root    *os.Root // nil for who is not the superuser, who may lack the right to read the folder
	info    fs.FileInfo
	foreign bool
}

// Open opens the folder in which path is, and returns the last name of path. A folder that is not there is
// fs.ErrNotExist.
func Open(path string) (*Folder, string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	f, err := OpenDir(filepath.Dir(abs))
	return f, filepath.Base(abs), err
}

// OpenDir opens a folder.
func OpenDir(path string) (*Folder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		return walk(abs)
	}
	f := &Folder{}
	if f.path, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, err
	}
	if f.info, err = os.Stat(f.path); err != nil {
		return nil, err
	}
	if !f.info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: abs, Err: syscall.ENOTDIR}
	}
	f.foreign = othersControl(f.info)
	return f, nil
}

// walk opens the folder step by step. A link is followed only in a folder that nobody but the superuser can write to.
func walk(abs string) (*Folder, error) {
	f, err := top()
	if err != nil {
		return nil, err
	}
	rest, links := parts(abs), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		st, err := f.root.Lstat(name)
		if err == nil && st.Mode()&fs.ModeSymlink != 0 {
			target := ""
			if links++; links > maxLinks {
				err = syscall.ELOOP
			} else if f.foreign && !f.kept(st) {
				err = ErrLink
			} else {
				target, err = f.root.Readlink(name)
			}
			if err == nil {
				if !filepath.IsAbs(target) {
					target = filepath.Join(f.path, target)
				}
				rest = append(parts(target), rest...)
				if err = f.Close(); err == nil {
					f, err = top()
				}
			}
		} else if err == nil {
			err = f.enter(name)
		}
		if err != nil {
			return nil, errors.Join(&fs.PathError{Op: "open", Path: abs, Err: bare(err)}, f.Close())
		}
	}
	return f, nil
}

func top() (*Folder, error) {
	root, err := os.OpenRoot("/")
	if err != nil {
		return nil, err
	}
	f := &Folder{path: "/", root: root}
	if f.info, err = root.Stat("."); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	f.foreign = othersControl(f.info)
	return f, nil
}

func parts(abs string) []string {
	return slices.DeleteFunc(strings.Split(filepath.Clean(abs), "/"), func(s string) bool { return s == "" })
}

// enter goes one folder down. Where others can change the names of a folder they can change all that is below it, but
// for what a sticky bit keeps.
func (f *Folder) enter(name string) error {
	below, err := f.root.OpenRoot(name)
	if err != nil {
		return err
	}
	info, err := below.Stat(".")
	if err != nil {
		return errors.Join(err, below.Close())
	}
	foreign := othersControl(info) || f.foreign && !f.kept(info)
	err = f.root.Close()
	f.path, f.root, f.info, f.foreign = filepath.Join(f.path, name), below, info, foreign
	return err
}

// kept says that nobody but the superuser can replace what the folder holds there: /tmp has a bit for that.
func (f *Folder) kept(st fs.FileInfo) bool {
	return f.info.Mode()&fs.ModeSticky != 0 && ours(f.info) && ours(st)
}

func ours(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && (sys.Uid == 0 || int(sys.Uid) == os.Geteuid())
}

// othersControl says that users who are neither the superuser nor this one can change the names in a folder.
func othersControl(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return !ok || !ours(st) || st.Mode().Perm()&0o002 != 0 || st.Mode().Perm()&0o020 != 0 && sys.Gid != 0
}

// Close frees the handle.
func (f *Folder) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// MakeOwn makes a folder, and those above it, in which root can work by names: nobody else may control it. One that is
// there and is root's alone is in order. For who is not the superuser it is os.MkdirAll.
func MakeOwn(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return os.MkdirAll(abs, 0o700)
	}
	above := abs
	f, err := OpenDir(above)
	for errors.Is(err, fs.ErrNotExist) && above != "/" {
		above = filepath.Dir(above)
		f, err = OpenDir(above)
	}
	if err != nil {
		return err
	}
	sticky := above != abs && f.info.Mode()&fs.ModeSticky != 0 && ours(f.info)
	err = f.Close()
	if f.foreign && !sticky {
		return errors.Join(&fs.PathError{Op: "make", Path: abs, Err: errForeign}, err)
	}
	if err := errors.Join(err, os.MkdirAll(abs, 0o700)); err != nil {
		return err
	}
	if f, err = OpenDir(abs); err != nil { // made by somebody else in between?
		return err
	}
	if err = f.Close(); f.foreign {
		err = errors.Join(&fs.PathError{Op: "make", Path: abs, Err: errForeign}, err)
	}
	return err
}

var errForeign = errors.New("another user controls the folder; name one of root's own, or run it as that user")

// Path is the path of a name in the folder, without links in its folders.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// Foreign says that other users can change the names in the folder.
func (f *Folder) Foreign() bool { return f.foreign }

// Same says that two handles are of one folder.
func (f *Folder) Same(other *Folder) bool { return os.SameFile(f.info, other.info) }

// Lstat looks at a name and follows no link.
func (f *Folder) Lstat(name string) (fs.FileInfo, error) {
	if f.root == nil {
		return os.Lstat(f.Path(name))
	}
	return f.root.Lstat(name)
}

// Create makes a file that is not there and returns it open for reading and writing; whatever has the name already is
// fs.ErrExist.
func (f *Folder) Create(name string, perm fs.FileMode) (*os.File, error) {
	const flags = os.O_CREATE | os.O_EXCL | os.O_RDWR
	if f.root == nil {
		return os.OpenFile(f.Path(name), flags|syscall.O_NOFOLLOW, perm)
	}
	return f.root.OpenFile(name, flags, perm)
}

// GiveAway hands a file that Create made to the folder's owner: the daemon that works there is another user than root.
func (f *Folder) GiveAway(made *os.File) error {
	sys, ok := f.info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || !ok {
		return nil
	}
	return made.Chown(int(sys.Uid), int(sys.Gid))
}

// OpenRegular opens a file that is there. A link is ErrLink, and what is no regular file is ErrNotRegular; neither is
// waited for.
func (f *Folder) OpenRegular(name string, flags int) (*os.File, error) {
	st, err := f.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case st.Mode()&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: "open", Path: f.Path(name), Err: errOwnLink}
	}
	var file *os.File
	if flags |= syscall.O_NONBLOCK | syscall.O_NOFOLLOW; f.root == nil {
		file, err = os.OpenFile(f.Path(name), flags, 0)
	} else {
		file, err = f.root.OpenFile(name, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	return regular(file)
}

var errOwnLink = errors.New("it is a symbolic link where leadsync has a file of its own")

// CheckRegular says why a name of the folder must not be used by its path: it is a link, no regular file, or has a
// second name elsewhere. A name that is not there is in order.
func (f *Folder) CheckRegular(name string) error {
	st, err := f.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode()&fs.ModeSymlink != 0:
		return ErrLink
	case !st.Mode().IsRegular():
		return ErrNotRegular
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink > 1 {
		return errors.New("it has a second name elsewhere (a hard link)")
	}
	return nil
}

// Rename gives what has the name from the name to, in place of what had it.
func (f *Folder) Rename(from, to string) error {
	if f.root == nil {
		return os.Rename(f.Path(from), f.Path(to))
	}
	return f.root.Rename(from, to)
}

// Remove removes a file.
func (f *Folder) Remove(name string) error {
	if f.root == nil {
		return os.Remove(f.Path(name))
	}
	return f.root.Remove(name)
}

// Write makes a file of text that is not there.
func (f *Folder) Write(name, text string, perm fs.FileMode) error {
	file, err := f.Create(name, perm)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

func regular(file *os.File) (*os.File, error) {
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: file.Name(), Err: fmt.Errorf("%w but %s", ErrNotRegular, kind(st.Mode()))}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "something else"
}

// bare keeps the cause alone.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
