package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExposedSecrets: who may read each kind of secret, by its own mode, through links, and by the folder it is in.
func TestExposedSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, folder os.FileMode
		group        bool
		system       bool
		all          int
		said         int
	}{
		"closed":                      {0o600, 0o755, false, false, 0, 0},
		"all may":                     {0o644, 0o755, false, false, 3, 3},
		"all may, in a closed folder": {0o644, 0o700, false, false, 0, 0},
		"a group may":                 {0o640, 0o755, true, false, 0, 3},
		"a mounted secret":            {0o444, 0o755, false, false, 3, 3},
		"handed over by systemd":      {0o444, 0o755, false, true, 0, 0},
	} {
		dir := t.TempDir()
		l := &Loaded{Config: Default(), File: filepath.Join(dir, "leadsync.yaml"), Credentials: Credentials{Beside: dir}}
		if c.system {
			l.Credentials = Credentials{System: dir}
		}
		l.Database.URLFile = "database-url"
		var err error
		for _, file := range []string{"token-key", "hubspot-client-secret", "database-url"} {
			real := filepath.Join(dir, "..data-"+file) // as Kubernetes mounts it
			err = errors.Join(err, os.WriteFile(real, []byte("x"), 0o600), os.Chmod(real, c.file), os.Symlink(filepath.Base(real), filepath.Join(dir, file)))
			if c.group && os.Geteuid() == 0 {
				err = errors.Join(err, os.Chown(real, 0, 1234))
			}
		}
		if err = errors.Join(err, os.Chmod(dir, c.folder)); err != nil {
			t.Fatal(err)
		}
		if c.group && os.Geteuid() != 0 {
			continue // needs root
		}
		all := 0
		said := l.Exposed(nil)
		for _, e := range said {
			if e.All {
				all++
			}
			if !strings.Contains(e.String(), "chmod 600 ") {
				t.Errorf("%s: %s", name, e)
			}
		}
		if all != c.all || len(said) != c.said {
			t.Errorf("%s: %d of all, %v", name, all, said)
		}
		if text, err := l.Credentials.ReadFile("token-key"); err != nil || string(text) != "x" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
