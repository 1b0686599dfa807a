package store

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"leadsync/migrations"
)

// migrationFiles is the folder of a dialect's migrations as they are run.
func migrationFiles(dialect string, rewrite func(string) string) (fs.FS, error) {
	files, err := fs.Sub(migrations.FS, dialect)
	return rewrittenFS{files, rewrite}, err
}

type rewrittenFS struct {
	fs.FS
	rewrite func(string) string
}

// Open is fs.FS's.
func (c rewrittenFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read migration %s: %w", name, err)
	}
	return &rewrittenFile{f, strings.NewReader(c.rewrite(string(text)))}, nil
}

type rewrittenFile struct {
	fs.File
	text *strings.Reader
}

// Read is fs.File's.
func (f *rewrittenFile) Read(p []byte) (int, error) { return f.text.Read(p) }
