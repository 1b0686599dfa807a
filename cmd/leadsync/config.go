package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	example "leadsync/config"
	"leadsync/internal/config"
)

func newConfigCommand(env *environment) *cobra.Command {
	return group("config", "Check and show the configuration", newConfigCheckCommand(env), newConfigShowCommand(env))
}

// checked is what `config check --json` prints.
type checked struct {
	OK       bool     `json:"ok"`
	File     string   `json:"file"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
}

func newConfigCheckCommand(env *environment) *cobra.Command {
	var asJSON, fileOnly bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and report every problem",
		Long: "Reads defaults, file and environment as every other command does, and reports all problems at once; exit code 78.\n" +
			"Credentials that run would need and that are not found are warnings, since systemd hands them to the service alone;\n" +
			"where $CREDENTIALS_DIRECTORY is set (inside the service) they are problems. A secret that everybody on the machine may read is\n" +
			"a warning. --no-credentials looks at none, for the unit's\n" +
			"ExecReload, to which systemd does not show them; the daemon looks itself when it reloads.",
		Example: "  leadsync config check --config /etc/leadsync/leadsync.yaml",
		Args:    wantArgs(),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := env.load()
			if err == nil && !fileOnly {
				err = missingCredentials(cfg)
			}
			if err == nil && !fileOnly {
				for _, e := range cfg.Exposed(nil) {
					if e.All {
						cfg.Warnings = append(cfg.Warnings, e.String())
					}
				}
			}
			result := checked{OK: err == nil, File: env.configFile, Problems: []string{}, Warnings: []string{}}
			if cfg != nil {
				result.File = cfg.File
				if w := cfg.DatabaseWarning(); w != "" && cfg.Database.URLFile != "" && !fileOnly {
					cfg.Warnings = append(cfg.Warnings, "database.url_file: "+w)
				}
				result.Warnings = append(result.Warnings, cfg.Warnings...)
			}
			if refused, ok := errors.AsType[*config.Error](err); ok && asJSON {
				for _, p := range refused.Problems {
					result.Problems = append(result.Problems, p.String())
				}
				return errors.Join(env.printJSON(result), &exitError{code: exitConfig})
			}
			if err != nil {
				return err
			}
			if asJSON {
				return env.printJSON(result)
			}
			env.warn(cfg)
			_, err = fmt.Fprintln(env.stdout, "configuration ok")
			return err
		},
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&fileOnly, "no-credentials", false, "do not look for credentials")
	return c
}

// missingCredentials is an error where it is sure that run would refuse, and adds warnings elsewhere.
func missingCredentials(cfg *config.Loaded) error {
	missing := cfg.Missing()
	if len(missing) > 0 && cfg.Credentials.System != "" {
		return &config.Error{Problems: missing}
	}
	for _, p := range missing {
		cfg.Warnings = append(cfg.Warnings, p.String())
	}
	return nil
}

func newConfigShowCommand(env *environment) *cobra.Command {
	var asJSON, asExample bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in force, without secrets",
		Long: "Prints what defaults, file and environment add up to. The database's password is hidden; other secrets are in files of\n" +
			"their own and are not read.",
		Example: "  leadsync config show\n  leadsync config show --example > leadsync.yaml",
		Args:    wantArgs(),
		RunE: func(*cobra.Command, []string) error {
			if asExample {
				_, err := env.stdout.Write(example.Example)
				return err
			}
			cfg, err := env.load()
			if err != nil {
				return err
			}
			env.warn(cfg)
			if asJSON {
				return env.printJSON(cfg.Config)
			}
			return cfg.WriteYAML(env.stdout)
		},
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&asExample, "example", false, "print the commented example with every default instead")
	c.MarkFlagsMutuallyExclusive("json", "example")
	return c
}
