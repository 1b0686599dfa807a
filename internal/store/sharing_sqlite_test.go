package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two users of one SQLite file: the file's owner is the application (uid 1001, group 1001), leadsync is uid 1002 of
// group 1002, and both are in group 2000.
func TestSharingTrap(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of several users can be made by root alone")
	}
	const app, shared, daemon = 1001, 2000, 1002
	me := identity{daemon, daemon, []int{shared, daemon}}
	type want struct{ trouble, cure string }
	type made struct {
		uid, gid int
		mode     os.FileMode
	}
	good := made{app, shared, 0o2770 | os.ModeSetgid}
	for name, c := range map[string]struct {
		dir, db, wal made
		me           identity
		want         want
	}{
		"one user":                      {made{daemon, daemon, 0o700}, made{daemon, daemon, 0o600}, made{daemon, daemon, 0o600}, me, want{}},
		"setgid folder":                 {good, made{app, shared, 0o660}, made{daemon, shared, 0o660}, me, want{}},
		"the group is one's own":        {made{app, shared, 0o770}, made{app, shared, 0o660}, made{}, identity{daemon, shared, []int{shared}}, want{}},
		"everybody may":                 {made{app, app, 0o777}, made{app, app, 0o666}, made{app, app, 0o666}, me, want{}},
		"file may not be written":       {good, made{app, shared, 0o640}, made{}, me, want{"may not write", "chmod 660"}},
		"file of a stranger":            {good, made{app, app, 0o660}, made{}, me, want{"may not write", "User= in a drop-in"}},
		"folder may not be written":     {made{app, shared, 0o750}, made{app, shared, 0o660}, made{}, me, want{"may not write", "chmod 2770"}},
		"folder without setgid":         {made{app, shared, 0o770}, made{app, shared, 0o660}, made{}, me, want{"would be locked out", "chmod g+rwxs"}},
		"own file, folder of others":    {made{daemon, daemon, 0o770}, made{daemon, shared, 0o660}, made{}, me, want{"would be locked out", "chgrp --reference="}},
		"journal of the daemon's group": {good, made{app, shared, 0o660}, made{daemon, daemon, 0o660}, me, want{"locked the others out", "chown --reference="}},
		"journal of the application":    {good, made{app, shared, 0o660}, made{app, app, 0o600}, me, want{"locked the others out", "-shm"}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "leads.db")
		make := func(path string, m made) {
			t.Helper()
			if m.mode == 0 {
				return
			}
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, m.uid, m.gid), os.Chmod(path, m.mode)); err != nil {
				t.Fatal(err)
			}
		}
		make(path, c.db)
		make(path+"-wal", c.wal)
		if err := errors.Join(os.Chown(dir, c.dir.uid, c.dir.gid), os.Chmod(dir, c.dir.mode)); err != nil {
			t.Fatal(err)
		}
		err := checkSharing(path, c.me)
		var sharing *SharingError
		switch {
		case c.want == want{} && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case c.want == want{}:
		case !errors.As(err, &sharing):
			t.Errorf("%s: %v, want a refusal", name, err)
		case !strings.Contains(sharing.Trouble, c.want.trouble) || !strings.Contains(sharing.Cure, c.want.cure):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := checkSharing(filepath.Join(t.TempDir(), "none.db"), me); err != nil {
		t.Errorf("no file: %v", err)
	}
}
