package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// firstPage is how long README.md may be: a page that is read to its end.
const firstPage = 10_000

var (
	heading  = regexp.MustCompile(`^#{1,6} +(.+?) *$`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code     = regexp.MustCompile("`[^`]*`")
	pageName = regexp.MustCompile(`[\w./-]*README\.md`)
	section  = regexp.MustCompile(`[\w./-]*README\.md, ([A-Z][^;."]*)`)
)

// page is a Markdown file: the anchors that a code host makes of its headings, and where it leads.
type page struct {
	anchors, titles map[string]bool
	links           []string
}

func readPage(text string) page {
	p := page{map[string]bool{}, map[string]bool{}, nil}
	fenced := false
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			fenced = !fenced
		}
		if fenced || strings.HasPrefix(line, "    ") {
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			p.titles[m[1]] = true
			p.addAnchor(m[1])
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
			p.links = append(p.links, m[1])
		}
	}
	return p
}

// addAnchor names a heading as code hosts do: small letters, digits, hyphens; the second of a name gets -1.
func (p page) addAnchor(title string) {
	name := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, title)
	free := name
	for n := 1; p.anchors[free]; n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	p.anchors[free] = true
}

// pages reads every Markdown file of the repository, by its path.
func pages(t *testing.T, tree fs.FS) map[string]page {
	t.Helper()
	all := map[string]page{}
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains([]string{"testdata", ".git", "node_modules", "dist"}, e.Name()):
			return fs.SkipDir
		case e.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		all[name] = readPage(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLinksOfPagesResolve(t *testing.T) {
	tree := os.DirFS(root)
	all := pages(t, tree)
	if len(all) < 5 {
		t.Fatalf("only %d pages were found", len(all))
	}
	report(t, linkProblems(tree, all))
}

func linkProblems(tree fs.FS, all map[string]page) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, to := range all[name].links {
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(to, "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := fs.Stat(tree, target); err != nil {
				out = append(out, fmt.Sprintf("%s leads to %s, which is not there", name, to))
			} else if anchor != "" && !all[target].anchors[anchor] {
				out = append(out, fmt.Sprintf("%s leads to %s, and no heading there has that name", name, to))
			}
		}
	}
	return out
}

// TestHintsNameRealPages: a hint, a help or an error that sends somebody to a page, or to a section of it, names one
// that is there.
func TestHintsNameRealPages(t *testing.T) {
	all := pages(t, os.DirFS(root))
	for _, p := range tree(t) {
		for _, f := range p.files {
			report(t, hintProblems(f, all))
		}
	}
}

func hintProblems(f file, all map[string]page) []string {
	var out []string
	ast.Inspect(f.tree, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING || f.test {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil || !strings.Contains(text, "README") {
			return true
		}
		where := fmt.Sprintf("%s:%d", f.name, f.set.Position(n.Pos()).Line)
		name := pageName.FindString(text)
		if _, known := all[name]; !known {
			out = append(out, fmt.Sprintf("%s sends to %q: name a page that is there, from the top of the tree", where, name))
		} else if m := section.FindStringSubmatch(text); m != nil && !all[name].titles[m[1]] {
			out = append(out, fmt.Sprintf("%s sends to %q, and %s has no such section", where, m[1], name))
		}
		return true
	})
	return out
}

func TestFirstPageIsShort(t *testing.T) {
	b, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > firstPage {
		t.Errorf("README.md has %d bytes, more than %d: move what is not for the first hour into a folder's README.md", len(b), firstPage)
	}
}

// TestPackagesShipEveryPage: the pages lead to each other, so a package has all of them, at the same places.
func TestPackagesShipEveryPage(t *testing.T) {
	nfpm, err := os.ReadFile(root + "/.ci/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name := range pages(t, os.DirFS(root)) {
		if !strings.Contains(string(nfpm), fmt.Sprintf("{src: %s, dst: /usr/share/doc/leadsync/%[1]s,", name)) {
			t.Errorf(".ci/nfpm.yaml does not ship %s to /usr/share/doc/leadsync/%[1]s", name)
		}
	}
}
