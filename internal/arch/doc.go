// Package arch holds the shape of this codebase as tests: which package may import which, what no code may call, how
// large anything may be, what stands at the top of the tree, where its pages lead, and that the systemd units fit the
// program.
//
// Guarantee: an import that the table of fence_test.go does not name, a package without a comment, a forbidden call, a
// stray folder, a link of a page that leads nowhere, and a package, a type or a function that outgrows size_test.go
// fail `go test`, with the sentence that says what to do. It looks at every Go file in the tree, also at those behind a
// build tag. It does not judge whether a rule is good: who needs another rule changes the row in the same commit.
//
// Design: one row a package, written as a list of what it may import, because data flows one way here and a list is
// read at a glance. A linter's import rules (depguard) were rejected as the only fence: they run where the linter is
// installed, and a new package without a rule passes them. Checking calls by syntax instead of types costs no build and
// is enough for a handful of names from the standard library.
package arch
