package auth

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"leadsync/internal/secret"
)

// unset is the file content that reads as absent, as for every secret file.
const unset = "unset"

// NoTokenError says that the file that should hold the token holds none. It never contains the content.
type NoTokenError struct {
	Path string
	Err  error // why the file could not be read; nil when it is empty, unset or no token
}

// ErrNoToken is what every *NoTokenError matches with errors.Is.
var ErrNoToken error = &NoTokenError{}

func (e *NoTokenError) Error() string {
	switch {
	case e.Path == "":
		return "no token"
	case e.Err != nil:
		return fmt.Sprintf("no token: %v", e.Err) // the reader's error names the file
	}
	return "no token in " + e.Path
}

// Is matches ErrNoToken.
func (e *NoTokenError) Is(target error) bool { return target == ErrNoToken }

// Unwrap gives the reader's error.
func (e *NoTokenError) Unwrap() error { return e.Err }

// Unauthorized says that a person must act; package hubspot asks for it.
func (e *NoTokenError) Unauthorized() bool { return true }

// Static reads one token from one file and keeps it until it is refused. It is safe for concurrent use.
type Static struct {
	path string
	read func(string) ([]byte, error)

	mu         sync.Mutex
	token      secret.String
	generation int64 // 0 = nothing read yet
	stale      bool  // read the file again before the next token
}

// NewStatic makes a source over the file at path. read is the caller's way to files (os.ReadFile); nothing is read yet.
func NewStatic(path string, read func(string) ([]byte, error)) *Static {
	return &Static{path: path, read: read, stale: true}
}

// Token gives the file's trimmed content and its generation, which is 1 for the first token and rises when the content
// changed. The file is read when there is no token yet and after a Reject. The error is a *NoTokenError.
func (s *Static) Token(context.Context) (value secret.String, generation int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale {
		if err := s.load(); err != nil {
			return secret.String{}, 0, err
		}
		s.stale = false
	}
	return s.token, s.generation, nil
}

// Reject makes the next Token read the file again, unless the refused generation is an older one: then the token in
// hand was not refused. It never fails.
func (s *Static) Reject(_ context.Context, generation int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation == s.generation {
		s.stale = true
	}
	return nil
}

func (s *Static) load() error {
	content, err := s.read(s.path)
	if err != nil {
		return &NoTokenError{Path: s.path, Err: err}
	}
	text := strings.TrimSpace(string(content))
	if text == "" || text == unset || strings.ContainsFunc(text, notInHeader) {
		return &NoTokenError{Path: s.path}
	}
	if token := secret.New(text); s.generation == 0 || !token.Equal(s.token) {
		s.token = token
		s.generation++
	}
	return nil
}

// notInHeader finds what cannot stand in an Authorization header. net/http would refuse such a request with an error
// that says nothing about the file.
func notInHeader(r rune) bool { return r <= ' ' || r > '~' }
