// Package arch holds the shape of this codebase as tests: which package may import which, what no code may call, what stands at
// the top of the tree, and that the systemd units fit the program.
//
// Guarantee: an import that the table of fence_test.go does not name, a package without a comment, a forbidden call or a stray
// folder fails `go test`, with the sentence that says what to do. It looks at every Go file in the tree, also at those behind a
// build tag. It does not judge whether a rule is good: who needs another rule changes the row in the same commit.
//
// Design: one row a package, written as a list of what it may import, because data flows one way here and a list is read at a
// glance. A linter's import rules (depguard) were rejected as the only fence: they run where the linter is installed, and a new
// package without a rule passes them. Checking calls by syntax instead of types costs no build and is enough for a handful of
// names from the standard library.
package arch
