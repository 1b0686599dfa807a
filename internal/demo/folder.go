package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"leadsync/internal/files"
	"leadsync/internal/people"
)

// folder holds the files of one demo.
type folder struct {
	dir  string
	kept string // dir, when it stays
	both bool   // people change contacts, and the application is told
}

// makeFolder makes a temporary folder, or the one to keep. It refuses a folder with a database of an earlier demo: its
// links belong to a simulator that is gone.
func makeFolder(keep string) (*folder, error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "leadsync-demo-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the demo: %w", err)
		}
		return &folder{dir: dir}, nil
	}
	dir, err := filepath.Abs(keep)
	if err != nil {
		return nil, fmt.Errorf("find the folder to keep: %w", err)
	}
	if err := files.MakeOwn(dir); err != nil {
		return nil, fmt.Errorf("make the folder to keep: %w", err)
	}
	f := &folder{dir: dir, kept: dir}
	if _, err := os.Stat(f.database()); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds a database already; name a new folder", dir)
	}
	return f, nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }
func (f *folder) database() string        { return f.path("leadsync.db") }
func (f *folder) config() string          { return f.path("leadsync.yaml") }

// write makes the files of the daemon: configuration, client secret and token key.
func (f *folder) write(hubURL, clientID, clientSecret string) error {
	for name, text := range map[string]string{"leadsync.yaml": f.yaml(hubURL, clientID), "token-key": people.NewKey() + "\n",
		"hubspot-client-secret": clientSecret + "\n"} {
		if err := writeNew(f.path(name), text); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// writeNew makes a file that is not there, and follows no link.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// yaml is the configuration: defaults but for what a demo beside a real daemon must not share with it.
func (f *folder) yaml(hubURL, clientID string) string {
	database := "sqlite://" + (&url.URL{Path: f.database()}).EscapedPath()
	return fmt.Sprintf(`# Written by leadsync demo. The simulator behind base_url ends with the demo; the database and the log stay readable:
#   leadsync outbox list --config %s
database:
  url: %q
hubspot:
  base_url: %s
  timeout: 5s
  auth: {mode: oauth, client_id: %q, client_secret_file: hubspot-client-secret, token_key_file: token-key}
  # No limit of our own, as is allowed on loopback: after its SIGKILL the daemon would count HubSpot's window as full for 10 s.
  limits: {requests_per_10s: 0, daily: 0}
# After an erase HubSpot is looked at once more: here after two seconds, as is allowed on loopback, instead of two minutes.
push: {second_look: 2s}
stop_timeout: 5s
log: {format: json, level: info}
status: {listen: ""}
`, f.config(), database, hubURL, clientID) + f.pull()
}

// pull are the settings of a demo in which people change contacts. Every property that its leads have passes; two go
// both ways.
func (f *folder) pull() string {
	if !f.both {
		return ""
	}
	var b strings.Builder
	b.WriteString("pull: {schedule: \"@every 1s\", optout_schedule: \"@every 1s\", archived_schedule: \"@every 1s\"}\nmapping:\n  fields:\n")
	for name := range strings.FieldsSeq("firstname lastname company jobtitle phone city website hs_lead_status") {
		fmt.Fprintf(&b, "    - {lead: %s, contact: %s}\n", name, name)
	}
	for name, winner := range map[string]string{theirs: "hubspot", newest: "newest"} {
		fmt.Fprintf(&b, "    - {lead: %s, contact: %s, direction: both, winner: %s}\n", name, name, winner)
	}
	return b.String()
}

// remove takes the folder away unless it is to be kept.
func (f *folder) remove() error {
	if f.kept != "" {
		return nil
	}
	if err := os.RemoveAll(f.dir); err != nil {
		return fmt.Errorf("remove the demo's folder: %w", err)
	}
	return nil
}
