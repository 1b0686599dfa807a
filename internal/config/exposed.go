package config

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"leadsync/internal/observe"
)

// Exposure is a file with a secret that other users may read.
type Exposure struct {
	Path string
	Mode fs.FileMode
	// All says that everybody on this machine may read it; else it is the group of GID.
	All bool
	GID int
	// Config says that it is the configuration file, with the password of the database in it.
	Config bool
}

// Exposed finds the secrets of the present mode that others may read. stat follows links, as a mounted secret needs it;
// nil is os.Stat. What systemd hands over in System is made for this process alone and not looked at, nor is what lies
// in a folder that is closed to others.
//
// It is a warning and no refusal: container platforms mount secrets readable by all (Docker's of swarm 0444,
// Kubernetes' default 0644), where nobody else is inside and the process may not change the mode.
// https://docs.docker.com/engine/swarm/secrets/ and https://kubernetes.io/docs/concepts/configuration/secret/ (read
// 2026-11-30).
func (l *Loaded) Exposed(stat func(string) (fs.FileInfo, error)) []Exposure {
	if stat == nil {
		stat = os.Stat
	}
	var out []Exposure
	look := func(path string, isConfig bool) {
		info, err := stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return
		}
		mode, gid := info.Mode().Perm(), groupOf(info)
		if folder, err := stat(filepath.Dir(path)); err == nil && folder.Mode().Perm()&0o001 == 0 {
			mode &^= 0o004
		}
		switch {
		case mode&0o004 != 0:
			out = append(out, Exposure{path, info.Mode().Perm(), true, gid, isConfig})
		case mode&0o040 != 0 && gid > 0 && gid != os.Getegid():
			out = append(out, Exposure{path, info.Mode().Perm(), false, gid, isConfig})
		}
	}
	for _, name := range l.secretFiles() {
		for _, path := range l.Credentials.Places(name) {
			if l.Credentials.System == "" || !strings.HasPrefix(path, l.Credentials.System+"/") {
				look(path, false)
			}
		}
	}
	if u, err := url.Parse(string(l.Database.URL)); err == nil && u.User != nil && l.File != "" && l.Database.URLFile == "" && !byVariable(l.places["database.url"]) {
		if _, has := u.User.Password(); has {
			look(l.File, true)
		}
	}
	return out
}

// secretFiles are the credentials of the present mode.
func (l *Loaded) secretFiles() []string {
	names := []string{l.HubSpot.Auth.TokenKeyFile}
	if l.HubSpot.Auth.Mode == AuthStatic {
		names = append(names, l.HubSpot.Auth.StaticTokenFile)
	} else {
		names = append(names, l.HubSpot.Auth.ClientSecretFile)
	}
	if l.Database.URLFile != "" {
		names = append(names, l.Database.URLFile)
	}
	return names
}

// SecretFiles names the credentials of the present mode, as the _file keys do.
func (l *Loaded) SecretFiles() []string { return l.secretFiles() }

// String says what is wrong and what cures it.
func (e Exposure) String() string { return e.What() + "; " + e.Cure() }

// What says who may read what.
func (e Exposure) What() string {
	who := "everybody on this machine"
	if !e.All {
		who = fmt.Sprintf("group %d", e.GID)
	}
	if e.Config {
		return fmt.Sprintf("%s may read the configuration file (mode %04o), which holds the password of the database", who, e.Mode)
	}
	return fmt.Sprintf("%s may read %s (mode %04o)", who, e.Path, e.Mode)
}

// Cure is what to do.
func (e Exposure) Cure() string {
	switch {
	case e.Config && e.All:
		return "move the URL into a credential: database.url_file; or run: chmod o-rwx " + observe.ShellWord(e.Path)
	case e.Config:
		return "move the URL into a credential: database.url_file; or run: chmod go-rwx " + observe.ShellWord(e.Path)
	case !e.All:
		return "see that the daemon alone is in the group, or run: chmod 600 " + observe.ShellWord(e.Path)
	}
	return "run: chmod 600 " + observe.ShellWord(e.Path)
}

// groupOf is the group of a file, -1 when it is not known.
func groupOf(info fs.FileInfo) int {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(sys.Gid)
	}
	return -1
}
