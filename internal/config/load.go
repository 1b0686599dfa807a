package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"leadsync/internal/files"
)

// DefaultFile is read when neither --config nor LEADSYNC_CONFIG names a file.
const DefaultFile = "/etc/leadsync/leadsync.yaml"

// These keep a broken file from exhausting the YAML library, whose parser is recursive and slows down with the square
// of the lines.
const (
	maxBytes    = 256 << 10
	maxLines    = 10_000
	maxBrackets = 10_000
)

// Source says where a configuration comes from.
type Source struct {
	// File is the value of --config; "" means LEADSYNC_CONFIG, then DefaultFile.
	File string
	// Environ is os.Environ().
	Environ []string
}

// Loaded is a sound configuration and what came with it.
type Loaded struct {
	Config
	// File is the file that was read, "" when everything came by environment.
	File string
	// Warnings are for the operator; nothing in them stops a command.
	Warnings []string
	// Credentials finds the files that the _file keys name.
	Credentials Credentials

	places map[string]string // of the keys that were set
}

// Load reads defaults, file and environment, in this order, and validates the result. Every error is an *Error: exit
// code 78. Without a file at the default place the environment alone is enough, if it sets at least one key.
func Load(src Source) (*Loaded, error) {
	name, text, err := src.read()
	if err != nil {
		return nil, err
	}
	out := &Loaded{Config: Default(), File: name, Credentials: Credentials{System: lookup(src.Environ, "CREDENTIALS_DIRECTORY")}}
	if name != "" {
		out.Credentials.Beside = filepath.Dir(name)
		out.Credentials.Instance = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	d := &decoder{file: name, places: map[string]string{}}
	out.places = d.places
	if root := d.parse(text, ""); root != nil {
		d.node(root, reflect.ValueOf(&out.Config).Elem(), "")
	}
	out.Warnings = d.environment(&out.Config, src.Environ)
	if byVariable(d.places["database.url"]) && !byVariable(d.places["database.url_file"]) {
		out.Database.URLFile = "" // the environment beats the file
	}
	problems, warnings := validate(&out.Config, d.places)
	out.Warnings = append(out.Warnings, warnings...)
	if all := merge(d.problems, problems); len(all) > 0 {
		return nil, &Error{Problems: all}
	}
	return out, nil
}

// read finds and reads the file.
func (src Source) read() (name string, text []byte, err error) {
	name = src.File
	chosen := "--config"
	if name == "" {
		name, chosen = lookup(src.Environ, FileVariable), FileVariable
	}
	if name == "" {
		name, chosen = DefaultFile, ""
	}
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		return "", nil, refused(name, "", "is a directory, want a file")
	}
	if err == nil {
		text, err = files.ReadRegular(name, maxBytes)
	}
	switch {
	case errors.Is(err, files.ErrTooLarge):
		return "", nil, refused(name, "", fmt.Sprintf("is larger than %d bytes, which no configuration of leadsync is", maxBytes))
	case err == nil:
		return name, text, nil
	case errors.Is(err, fs.ErrNotExist) && chosen == "" && src.setsKey():
		return "", nil, nil
	case errors.Is(err, fs.ErrNotExist) && chosen == "":
		return "", nil, refused(name, "", "no such file; name one with --config or "+FileVariable+
			", or print an example with `leadsync config show --example`")
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, refused(name, "", "no such file, though "+chosen+" names it; `leadsync config show --example` prints one to start from")
	case errors.Is(err, fs.ErrPermission):
		return "", nil, refused(name, "", "may not be read by this user; run as the service's user or correct the file's owner and mode")
	}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return "", nil, refused(name, "", "cannot be read: "+err.Error())
}

// setsKey says whether the environment holds a setting of leadsync.
func (src Source) setsKey() bool {
	found := false
	keys(reflect.ValueOf(Default()), "", func(path string, _ reflect.Value) {
		if _, ok := find(src.Environ, VariableOf(path)); ok {
			found = true
		}
	})
	return found
}

// parse makes a tree of text, nil when it is empty or broken.
func (d *decoder) parse(text []byte, path string) (root ast.Node) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		d.refuse(nil, path, "is not UTF-8 text")
		return nil
	case len(text) > maxBytes || bytes.Count(text, []byte("\n")) > maxLines ||
		bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("- ")) > maxBrackets:
		d.refuse(nil, path, "is too large or too deeply nested")
		return nil
	}
	defer func() {
		if recover() != nil { // the library has panicked on broken text before
			d.refuse(nil, path, "is not valid YAML")
			root = nil
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err, path)
		return nil
	}
	var documents []ast.Node
	for _, document := range file.Docs {
		if document != nil && document.Body != nil {
			documents = append(documents, document.Body)
		}
	}
	if len(documents) > 1 {
		d.refuse(documents[1], path, "a second YAML document; keep one")
		return nil
	}
	if len(documents) == 0 {
		return nil
	}
	return documents[0]
}

// syntax reports a text that is no YAML: position and kind, never the text around it.
func (d *decoder) syntax(err error, path string) {
	message, where := "not valid YAML", d.where(nil)
	if broken, ok := errors.AsType[yaml.Error](err); ok {
		if at := broken.GetToken(); at != nil && at.Position != nil && d.variable == "" {
			where = fmt.Sprintf("%s:%d", d.file, at.Position.Line)
		}
		// The library puts a piece of the file between double quotes; its fixed messages have none.
		if m := broken.GetMessage(); !strings.Contains(m, `"`) {
			message += ": " + m
		}
	}
	d.problems = append(d.problems, Problem{Where: where, Key: path, Text: message + "; check indentation, quotes and colons"})
}

// merge adds what validation found, without the keys that decoding already refused, and sorts by line; problems without
// a line, those of variables, come last.
func merge(decoded, validated []Problem) []Problem {
	refusedKeys := map[string]bool{}
	for _, p := range decoded {
		refusedKeys[p.Key] = true
	}
	all := append(decoded, slices.DeleteFunc(validated, func(p Problem) bool { return p.Key != "" && refusedKeys[p.Key] })...)
	slices.SortStableFunc(all, func(a, b Problem) int {
		if (a.line() < 0) != (b.line() < 0) {
			return b.line() - a.line()
		}
		return a.line() - b.line()
	})
	return all
}

func find(environ []string, name string) (string, bool) {
	for _, pair := range slices.Backward(environ) {
		if key, value, ok := strings.Cut(pair, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

func lookup(environ []string, name string) string {
	value, _ := find(environ, name)
	return value
}
