package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "leadsync"
	root   = "../.." // of the module, from this package's folder
)

// pkg is one package of this module: what go list says of it, and its files.
type pkg struct {
	ImportPath string
	Name       string
	Dir        string
	Doc        string
	Deps       []string // every package that its product code pulls in, also by others
	Error      *struct{ Err string }

	files []file
}

// file is one Go file, whatever its build tags.
type file struct {
	name    string // from the module's root, with slashes
	test    bool
	imports map[string]string // local name -> path
	tree    *ast.File
	set     *token.FileSet
}

// name is the package as the table writes it.
func (p *pkg) name() string { return rowName(p.ImportPath) }

// rowName is the path below internal/, or from the top with a leading slash.
func rowName(importPath string) string {
	if inner, ok := strings.CutPrefix(importPath, module+"/internal/"); ok {
		return inner
	}
	return strings.TrimPrefix(importPath, module)
}

// hasTests says whether the package has a test file.
func (p *pkg) hasTests() bool {
	for _, f := range p.files {
		if f.test {
			return true
		}
	}
	return false
}

// imports says whether any file, or any test file, of the package imports target.
func (p *pkg) imports(target string, testsOnly bool) bool {
	for _, f := range p.files {
		for _, path := range f.imports {
			if path == target && (f.test || !testsOnly) {
				return true
			}
		}
	}
	return false
}

// tree loads the module once for all tests. Without the go command nothing can be checked, which must not look like
// success.
func tree(t *testing.T) []*pkg {
	t.Helper()
	pkgs, err := loadOnce()
	if err != nil {
		t.Fatalf("load the packages of this module: %v", err)
	}
	return pkgs
}

var loadOnce = sync.OnceValues(load)

func load() ([]*pkg, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("the go command is needed: %w", err)
	}
	cmd := exec.Command(goTool, "list", "-e", "-json=ImportPath,Name,Dir,Doc,Deps,Error", "./...")
	cmd.Dir = root
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	files, err := readFiles(os.DirFS(root))
	if err != nil {
		return nil, err
	}
	top, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	var pkgs []*pkg
	for decoder := json.NewDecoder(&stdout); ; {
		p := &pkg{}
		err := decoder.Decode(p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		folder, err := filepath.Rel(top, p.Dir)
		if err != nil {
			return nil, err
		}
		p.files = files[filepath.ToSlash(folder)]
		delete(files, filepath.ToSlash(folder))
		pkgs = append(pkgs, p)
	}
	for folder := range files {
		return nil, fmt.Errorf("go list does not see the Go files of %s: is every one behind a build tag? Add a doc.go without one", folder)
	}
	if len(pkgs) == 0 {
		return nil, errors.New("go list names no package")
	}
	return pkgs, nil
}

// readFiles parses every Go file below the root, by folder. It reads the folders itself, and not go list's file names,
// so that files behind a build tag count, and so that go test runs these tests again when a file was added.
func readFiles(tree fs.FS) (map[string][]file, error) {
	folders := map[string][]file{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
			return fs.SkipDir
		}
		if _, err := fs.Stat(tree, path.Join(name, "go.mod")); entry.IsDir() && name != "." && err == nil {
			return fs.SkipDir // a module of its own
		}
		if entry.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parseFile(name, text)
		if err != nil {
			return err
		}
		folders[path.Dir(name)] = append(folders[path.Dir(name)], f)
		return nil
	})
	return folders, err
}

func parseFile(name string, text []byte) (file, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	f := file{name: name, test: strings.HasSuffix(name, "_test.go"), imports: map[string]string{}, tree: parsed, set: set}
	for _, spec := range parsed.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, fmt.Errorf("%s: %w", name, err)
		}
		local := path.Base(target)
		if spec.Name != nil && spec.Name.Name != "_" && spec.Name.Name != "." {
			local = spec.Name.Name
		} else if spec.Name != nil {
			local = spec.Name.Name + target // blank and dot imports have no name of their own
		}
		f.imports[local] = target
	}
	return f, nil
}

// report fails the test once for each problem.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}
