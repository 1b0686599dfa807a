package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what `version --json` prints.
type versionInfo struct {
	Version  string `json:"version"` // of the module, "devel" when built from a working copy without a tag
	Commit   string `json:"commit"`  // "" when not built in a repository
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readVersion takes the version from the build information that Go puts into every binary.
func readVersion() versionInfo {
	v := versionInfo{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func newVersionCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go version",
		Example: "  leadsync version --json",
		Args:    wantArgs(),
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if asJSON {
				return env.printJSON(v)
			}
			text := "leadsync " + v.Version
			if v.Commit != "" {
				text += " commit " + v.Commit
			}
			if v.Modified {
				text += " (modified)"
			}
			_, err := fmt.Fprintf(env.stdout, "%s %s %s\n", text, v.Go, v.Platform)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
