package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// SharingError says why an application and leadsync, as two users, would lock each other out of one SQLite file, and
// what cures it.
type SharingError struct {
	Trouble string // a sentence about owners and modes
	Cure    string // commands
}

func (e *SharingError) Error() string { return e.Trouble + "; " + e.Cure }

// CheckSharing looks at the SQLite file of a database URL, its folder and the -wal and -shm files beside it, and
// returns a *SharingError when this process could not work with them, or when the files that it would make there would
// lock out those who share the database now. A file that is not there, a server, and the superuser have no such
// trouble.
//
// SQLite gives -wal and -shm the mode of the database, and the group of whoever makes them first (the folder's, where
// that has its setgid bit): https://www.sqlite.org/wal.html#the_wal_file and os_unix.c, findCreateFileMode (read
// 2026-11-24). So a file of mode 0660 that two users of one group share works until the one whose own group is another
// creates the journal: from then on every insert of the other one fails as "attempt to write a readonly database".
func CheckSharing(url string) error {
	d, err := dialectOf(url)
	if err != nil {
		return err
	}
	file, isFile := d.(*sqliteDialect)
	if !isFile || os.Geteuid() == 0 {
		return nil // SQLite gives what root makes to the owner of the database
	}
	path, err := filepath.EvalSymlinks(file.path)
	if err != nil {
		return nil // opening it says why
	}
	groups, _ := os.Getgroups()
	return checkSharing(path, identity{os.Geteuid(), os.Getegid(), append(groups, os.Getegid())})
}

// identity is who would open the file.
type identity struct {
	uid, gid int
	groups   []int
}

func checkSharing(path string, me identity) error {
	db, err := statFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, dirErr := statFile(filepath.Dir(path))
	if errors.Join(err, dirErr) != nil {
		return nil // opening it says why
	}
	folder := filepath.Dir(path)
	if !me.may(db) || !me.mayMakeIn(dir) {
		return &SharingError{
			Trouble: fmt.Sprintf("%s is %s and its folder %s; user %s may not write both", filepath.Base(path), db, dir, userName(me.uid)),
			Cure: fmt.Sprintf("run leadsync as the file's owner (User= in a drop-in), or put %s into the file's group and run: "+
				"chmod 660 %s && chgrp --reference=%s %s && chmod 2770 %s", userName(me.uid), path, path, folder, folder),
		}
	}
	shared := db.mode&0o060 == 0o060 && db.mode&0o006 != 0o006
	made := me.gid // the group of what this process makes in the folder
	if dir.mode&fs.ModeSetgid != 0 {
		made = dir.gid
	}
	if (shared || db.uid != me.uid) && db.mode&0o006 != 0o006 && made != db.gid {
		return &SharingError{
			Trouble: fmt.Sprintf("%s is %s, but its -wal and -shm files would be made with group %s: the others would be locked out",
				filepath.Base(path), db, groupName(made)),
			Cure: fmt.Sprintf("run: chgrp --reference=%s %s && chmod g+rwxs %s", path, folder, folder),
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		f, err := statFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			continue
		}
		othersOut := f.mode&0o006 != 0o006 && (f.uid != db.uid || f.gid != db.gid) && (f.gid != db.gid || f.mode&0o060 != 0o060)
		if !me.may(f) || othersOut {
			return &SharingError{
				Trouble: fmt.Sprintf("%s%s is %s, the database %s: whoever made it locked the others out", filepath.Base(path), suffix, f, db),
				Cure: fmt.Sprintf("stop both programs and run: chown --reference=%[1]s %[1]s-wal %[1]s-shm && chmod --reference=%[1]s %[1]s-wal %[1]s-shm && "+
					"chgrp --reference=%[1]s %[2]s && chmod g+rwxs %[2]s", path, folder),
			}
		}
	}
	return nil
}

// file is owner, group and mode of one.
type file struct {
	uid, gid int
	mode     fs.FileMode
}

func statFile(path string) (file, error) {
	st, err := os.Stat(path)
	if err != nil {
		return file{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return file{}, errors.New("the file system knows no owners")
	}
	return file{int(sys.Uid), int(sys.Gid), st.Mode()}, nil
}

// String is app:www-data 0660.
func (f file) String() string {
	bits := f.mode.Perm()
	if f.mode&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	return fmt.Sprintf("%s:%s %04o", userName(f.uid), groupName(f.gid), bits)
}

// may reports whether the file can be read and written.
func (me identity) may(f file) bool { return me.has(f, 6) }

// mayMakeIn reports whether files can be made in the folder.
func (me identity) mayMakeIn(f file) bool { return me.has(f, 3) }

func (me identity) has(f file, bits fs.FileMode) bool {
	switch {
	case me.uid == f.uid:
		bits <<= 6
	case slices.Contains(me.groups, f.gid):
		bits <<= 3
	}
	return f.mode&bits == bits
}

// hidden is how the kernel shows whoever a user namespace does not know. Under PrivateUsers=yes that is everybody but
// root and the daemon's own user and group; the comparisons above hold all the same, names would mislead.
const hidden = 65534

func userName(uid int) string {
	if uid == hidden {
		return "another"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if gid == hidden {
		return "another"
	}
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}
