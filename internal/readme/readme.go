// Package readme holds the pages of this repository and its code together, for tests: a part of a page that is made
// from code, and the examples of a page that a test runs.
//
// Guarantee: Hold fails while a made part is not what the code says, and writes it with -update; a page or a part that
// is not there fails at once, so that nothing is left unheld when a page moves.
//
// Design: parts are marked by comments that a code host does not show, and the mark names the command that makes the
// part. Pages made as a whole were rejected: what explains is written by hand and stands beside what is listed.
package readme

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Update is -update: what is made from code is written instead of compared.
var Update = flag.Bool("update", false, "write what is made from code")

// Path is a file of the repository, given from its top, as the test's own folder sees it.
func Path(t testing.TB, file string) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, file)
		}
		if strings.Count(dir, "..") > 10 {
			t.Fatal("no go.mod above the test's folder")
		}
	}
}

// Text is a page, given from the top of the repository.
func Text(t testing.TB, page string) string {
	t.Helper()
	b, err := os.ReadFile(Path(t, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Between is what stands on a page between two texts.
func Between(t testing.TB, page, begin, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(Text(t, page), begin)
	part, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no part between %q and %q", page, begin, end)
	}
	return part
}

// Hold wants a part of a page to be want. It stands between the comments "NAME: COMMAND -update" and "/NAME"; folder is
// the package whose tests make it.
func Hold(t testing.TB, page, name, folder, want string) {
	t.Helper()
	command := "go test ./" + folder + " -update"
	begin, end := "<!-- "+name+": "+command+" -->\n", "<!-- /"+name+" -->\n"
	if got := Between(t, page, begin, end); got == want {
		return
	} else if !*Update {
		t.Errorf("%s: the part %q is not what the code says; run %s", page, name, command)
		return
	} else if err := os.WriteFile(Path(t, page), []byte(strings.Replace(Text(t, page), begin+got+end, begin+want+end, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}
