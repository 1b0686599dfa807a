package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/observe"
)

// Host is how the doctor looks at this machine. A nil function is something it cannot look at.
type Host struct {
	Stat     func(path string) (fs.FileInfo, error)
	ReadFile func(path string) ([]byte, error)
	Glob     func(pattern string) ([]string, error)
	// Free tells the free and the whole size of the file system under a folder, in bytes.
	Free func(dir string) (free, total uint64, err error)
	// UnitDirs are where units are, the first that has one counts.
	UnitDirs []string
	// Unit is the unit's name, as in leadsync.service.
	Unit string
}

// ThisHost is the machine that the process runs on. instance is the name of the configuration file without its ending.
func ThisHost(instance string) Host {
	unit := "leadsync.service"
	if instance != "" && instance != "leadsync" {
		unit = "leadsync@.service"
	}
	return Host{Stat: os.Stat, ReadFile: os.ReadFile, Glob: filepath.Glob, Unit: unit,
		UnitDirs: []string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"},
		Free: func(dir string) (free, total uint64, err error) {
			var s syscall.Statfs_t
			if err := syscall.Statfs(dir, &s); err != nil {
				return 0, 0, err
			}
			return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil //nolint:gosec,unconvert // sizes of blocks are not negative
		}}
}

// The least that should be free: a WAL of a large batch and a day of rows need less.
const (
	leastFree  = 200 << 20
	leastShare = 0.02
)

func (r *Report) host(in Input) {
	r.disk(in)
	r.credentials(in)
	r.writable(in)
	r.unit(in)
}

// disk looks at the folder of a SQLite file.
func (r *Report) disk(in Input) {
	folder, isFile := folderOf(in.Config)
	if !isFile || in.Host.Free == nil {
		return
	}
	r.looked()
	free, total, err := in.Host.Free(folder)
	switch {
	case err != nil:
		return // the database says why
	case free < leastFree || total > 0 && float64(free) < leastShare*float64(total):
		r.wrong(checkHost, fmt.Sprintf("%d MB are free where the database is", free>>20), "on a full disk neither the application nor leadsync can write",
			"make room, or give settled rows a shorter retention: retention.settled")
	}
}

// folderOf is where a SQLite file is; ok is false for a database that is none.
func folderOf(cfg *config.Loaded) (folder string, ok bool) {
	path, ok := databaseFile(cfg)
	return filepath.Dir(path), ok
}

// databaseFile is the SQLite file.
func databaseFile(cfg *config.Loaded) (path string, ok bool) {
	url, err := cfg.DatabaseURL()
	path, isFile := strings.CutPrefix(url.Reveal(), "sqlite:")
	if err != nil || !isFile {
		return "", false
	}
	return strings.TrimPrefix(path, "//"), true
}

// noRoom is when a disk counts as full: SQLite's journal cannot take a batch any more.
const noRoom = 1 << 20

// FullFolder is the folder of a SQLite file whose disk is full, "" when there is room or it is not known.
func (h Host) FullFolder(cfg *config.Loaded) string {
	folder, ok := folderOf(cfg)
	if !ok || h.Free == nil {
		return ""
	}
	if free, _, err := h.Free(folder); err != nil || free >= noRoom {
		return ""
	}
	return folder
}

// credentials looks at who may read secrets.
func (r *Report) credentials(in Input) {
	if in.Host.Stat == nil {
		return
	}
	r.looked()
	for _, e := range in.Config.Exposed(in.Host.Stat) {
		why := "whoever reads it can act as leadsync in HubSpot, or open what is sealed in the database"
		if e.Config {
			why = "whoever reads it can open the database"
		}
		if e.All {
			r.wrong(checkHost, e.What(), why, e.Cure())
		} else {
			r.note(checkHost, e.What(), why, e.Cure())
		}
	}
	if w := in.Config.DatabaseWarning(); w != "" {
		r.note(checkHost, w, "who listens or answers on the way reads every lead, and can log in as leadsync", "see systemd/README.md, The application's database")
	}
}

// writable looks at who may change what leadsync relies on: its configuration, its secrets, the SQLite file and their
// folders.
func (r *Report) writable(in Input) {
	if in.Host.Stat == nil {
		return
	}
	seen := map[string]bool{}
	look := func(path, why string) {
		info, err := in.Host.Stat(path)
		if err != nil || seen[path] {
			return
		}
		seen[path] = true
		r.looked()
		if mode := info.Mode(); mode.Perm()&0o002 != 0 {
			r.wrong(checkHost, fmt.Sprintf("everybody on this machine may write to %s (mode %04o)", path, mode.Perm()), why, "run: chmod o-w "+observe.ShellWord(path))
		}
	}
	cfg := in.Config
	const whyConfig = "whoever writes there decides which account the leads go to, and with whose token"
	if cfg.File != "" {
		look(cfg.File, whyConfig)
		look(filepath.Dir(cfg.File), whyConfig)
	}
	for _, name := range cfg.SecretFiles() {
		for _, path := range cfg.Credentials.Places(name) {
			if _, err := in.Host.Stat(path); err == nil && (cfg.Credentials.System == "" || !strings.HasPrefix(path, cfg.Credentials.System+"/")) {
				look(path, whyConfig)
				look(filepath.Dir(path), whyConfig)
			}
		}
	}
	path, isFile := databaseFile(cfg)
	if !isFile {
		return
	}
	const whyRows = "whoever writes there can read, change and remove leads, and lock leadsync out"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		look(path+suffix, whyRows)
	}
	look(filepath.Dir(path), whyRows)
	if info, err := in.Host.Stat(path); err == nil && info.Mode().Perm()&0o006 == 0o004 {
		if folder, err := in.Host.Stat(filepath.Dir(path)); err != nil || folder.Mode().Perm()&0o001 != 0 {
			r.note(checkHost, fmt.Sprintf("everybody on this machine may read %s (mode %04o)", path, info.Mode().Perm()), "it holds the addresses of all leads",
				"run: chmod o-r "+observe.ShellWord(path))
		}
	}
}

// unit looks at the systemd unit, where there is one: leadsync may also be run in other ways.
func (r *Report) unit(in Input) {
	settings, path := in.Host.unit()
	if path == "" {
		return
	}
	r.looked()
	r.fact(checkHost, "the unit is %s", path)
	cfg := in.Config
	if list := settings["TimeoutStopSec"]; len(list) > 0 {
		if most, ok := span(list[len(list)-1]); ok && most <= cfg.StopTimeout {
			r.wrong(checkHost, fmt.Sprintf("the unit gives TimeoutStopSec=%s, and stop_timeout is %s", list[len(list)-1], config.Duration(cfg.StopTimeout)),
				"systemd would kill the daemon while requests are under way; each of them has to be looked at again", "run `systemctl edit leadsync` and set TimeoutStopSec above stop_timeout")
		}
	}
	r.looked()
	if !slices.ContainsFunc(settings["RestartPreventExitStatus"], func(s string) bool { return slices.Contains(strings.Fields(s), "78") }) {
		r.wrong(checkHost, "the unit lacks RestartPreventExitStatus=78", "a refused configuration would be tried again and again instead of standing still with its message",
			"take the unit that comes with this version")
	}
	for _, name := range cfg.SecretFiles() {
		r.looked()
		if filepath.IsAbs(name) || slices.ContainsFunc(settings["LoadCredential"], func(s string) bool { return strings.HasPrefix(s, name+":") || s == name }) {
			continue
		}
		r.wrong(checkHost, "the unit hands over no credential "+name, "the daemon runs as a user that may not read root's files", "run `systemctl edit leadsync` and add LoadCredential="+name+":/etc/leadsync/credentials/"+name)
	}
}

// unit reads the settings of the service section and its drop-ins, each key with its values in order; path is "" where
// there is none.
func (h Host) unit() (settings map[string][]string, path string) {
	if h.ReadFile == nil || h.Unit == "" {
		return nil, ""
	}
	settings = map[string][]string{}
	for _, dir := range h.UnitDirs {
		text, err := h.ReadFile(filepath.Join(dir, h.Unit))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, ""
		}
		path = filepath.Join(dir, h.Unit)
		readUnit(text, settings)
		break
	}
	if path == "" {
		return nil, ""
	}
	for _, dir := range slices.Backward(h.UnitDirs) { // the drop-ins of /etc count last
		if h.Glob == nil {
			break
		}
		names, _ := h.Glob(filepath.Join(dir, h.Unit+".d", "*.conf"))
		for _, name := range names {
			if text, err := h.ReadFile(name); err == nil {
				readUnit(text, settings)
			}
		}
	}
	return settings, path
}

func readUnit(text []byte, into map[string][]string) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
			continue
		}
		if value = strings.TrimSpace(value); value == "" {
			delete(into, key) // an empty assignment resets, https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html
			continue
		}
		into[key] = append(into[key], value)
	}
}

// span reads a time of systemd's in its simple forms: 30, 30s, 2min, 1min 30s; infinity is no bound.
func span(text string) (time.Duration, bool) {
	var all time.Duration
	for _, word := range strings.Fields(text) {
		if n, err := strconv.Atoi(word); err == nil {
			all += time.Duration(n) * time.Second
			continue
		}
		d, err := time.ParseDuration(strings.NewReplacer("min", "m", "sec", "s").Replace(word))
		if err != nil {
			return 0, false
		}
		all += d
	}
	return all, true
}
