package store

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"leadsync/migrations"
)

// collated is the folder of MySQL's migrations with the collation of the server filled in.
func collated(collation string) (fs.FS, error) {
	files, err := fs.Sub(migrations.FS, "mysql")
	return collatedFS{files, collation}, err
}

type collatedFS struct {
	fs.FS
	collation string
}

// Open is fs.FS's.
func (c collatedFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read migration %s: %w", name, err)
	}
	return &collatedFile{f, strings.NewReader(withCollation(string(text), c.collation))}, nil
}

type collatedFile struct {
	fs.File
	text *strings.Reader
}

// Read is fs.File's.
func (f *collatedFile) Read(p []byte) (int, error) { return f.text.Read(p) }
