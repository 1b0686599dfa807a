package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/store"
)

const appUser = 1234

// foreignFolder is a folder of another user, in it what leads to root's own folder.
func foreignFolder(t *testing.T) (foreign, secret string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: what root does in a folder of another user (needs root)")
	}
	dir := t.TempDir()
	foreign, secret = filepath.Join(dir, "app"), filepath.Join(dir, "root")
	err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(foreign, 0o755), os.Chown(foreign, appUser, appUser), os.Mkdir(secret, 0o700))
	if err != nil {
		t.Fatal(err)
	}
	return foreign, secret
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(st.Sys().(*syscall.Stat_t).Uid)
}

// workAsRoot does what `migrate up` and `push --once` do with files.
func workAsRoot(ctx context.Context, url string) error {
	db, err := store.Open(ctx, url, store.Options{CreateSQLite: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, _, err := db.Migrate(ctx); err != nil {
		return err
	}
	if _, err := db.Operator().Owner(ctx, "default"); err != nil {
		return err
	}
	lease, err := db.Acquire(ctx, "default", "root")
	if err != nil {
		return err
	}
	return lease.Release(ctx)
}

// TestRootMakesNothingThroughLinksOfOthers: each name that leadsync makes or opens beside a database leads elsewhere,
// to what is there and to what is not.
func TestRootMakesNothingThroughLinksOfOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"leads.db", "leads.db.leadsync.migrate.lock", "leads.db.leadsync-default.lock", "leads.db-wal", "leads.db-shm", "leads.db-journal"} {
		for _, kind := range []string{"nothing", "an empty file", "a file", "a database", "a pipe", "hard link", "folder"} {
			t.Run(name+" is "+kind, func(t *testing.T) {
				t.Parallel()
				foreign, secret := foreignFolder(t)
				target, link := filepath.Join(secret, "target"), filepath.Join(foreign, name)
				var err error
				switch kind {
				case "an empty file", "hard link":
					err = os.WriteFile(target, nil, 0o600)
				case "a file":
					err = os.WriteFile(target, []byte("root's own"), 0o600)
				case "a database":
					err = workAsRoot(t.Context(), "sqlite://"+target)
				}
				before, _ := os.ReadFile(target)
				switch kind {
				case "hard link":
					err = errors.Join(err, os.Link(target, link))
				case "a pipe":
					err = errors.Join(err, syscall.Mkfifo(link, 0o666), os.Chown(link, appUser, appUser))
				case "folder":
					err = errors.Join(err, os.Mkdir(link, 0o777), os.Chown(link, appUser, appUser))
				default:
					err = errors.Join(err, os.Symlink(target, link), os.Lchown(link, appUser, appUser))
				}
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err = workAsRoot(ctx, "sqlite://"+filepath.Join(foreign, "leads.db"))
				if err == nil && kind != "hard link" {
					t.Error("it was opened")
				}
				if ctx.Err() != nil {
					t.Error("it was waited for")
				}
				after, _ := os.ReadFile(target)
				if string(after) != string(before) {
					t.Errorf("%d bytes became %d", len(before), len(after))
				}
				switch _, err := os.Lstat(target); {
				case kind == "nothing" && err == nil:
					t.Error("the target was made")
				case err == nil && ownerOf(t, target) != 0:
					t.Errorf("the target was given to %d", ownerOf(t, target))
				}
			})
		}
	}
}

// TestRootGivesWhatItMadeToTheFoldersOwner, and nothing else.
func TestRootGivesWhatItMadeToTheFoldersOwner(t *testing.T) {
	t.Parallel()
	foreign, _ := foreignFolder(t)
	mine := filepath.Join(foreign, "leads.db.leadsync-default.lock")
	if err := os.WriteFile(mine, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := workAsRoot(t.Context(), "sqlite://"+filepath.Join(foreign, "leads.db")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"leads.db": appUser, "leads.db.leadsync.migrate.lock": appUser, "leads.db.leadsync-default.lock": 0} {
		if got := ownerOf(t, filepath.Join(foreign, name)); got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
}

// TestRootFollowsItsOwnLinks: root may put the database elsewhere, by a link of the folder or of the file.
func TestRootFollowsItsOwnLinks(t *testing.T) {
	t.Parallel()
	foreign, secret := foreignFolder(t)
	for link, target := range map[string]string{filepath.Join(secret, "dir"): foreign, filepath.Join(secret, "file.db"): filepath.Join(foreign, "leads.db"),
		filepath.Join(secret, "again.db"): "file.db"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dir/leads.db", "file.db", "again.db"} {
		if err := workAsRoot(t.Context(), "sqlite://"+filepath.Join(secret, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, _ := filepath.Glob(foreign + "/*.db"); len(got) != 1 {
		t.Errorf("made %v", got)
	}
}

// TestRootFollowsNoLinkInAFolderPathOfOthers: the folder itself is reached through a link of another user.
func TestRootFollowsNoLinkInAFolderPathOfOthers(t *testing.T) {
	t.Parallel()
	foreign, secret := foreignFolder(t)
	if err := os.Symlink(secret, filepath.Join(foreign, "data")); err != nil {
		t.Fatal(err)
	}
	if err := workAsRoot(t.Context(), "sqlite://"+filepath.Join(foreign, "data/leads.db")); err == nil {
		t.Error("it was opened")
	}
	if got, _ := filepath.Glob(secret + "/*"); len(got) != 0 {
		t.Errorf("made %v", got)
	}
}
