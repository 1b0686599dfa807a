// Package config holds the example configuration, so that the binary can print it.
//
// It is only the text: what the keys mean to the program, and the check that this file equals the defaults, is
// internal/config.
//
// Design: the file lies here and not beside the code that reads it because a package can embed only files beside or
// below it, and operators look for it at the top of the repository.
package config

import _ "embed"

// Example is leadsync.example.yaml: every key with its default, commented.
//
//go:embed leadsync.example.yaml
var Example []byte
