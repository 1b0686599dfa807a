package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"leadsync/internal/observe"
)

// isTerminal says whether a stream is a terminal; what is not a file is none.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalSize is the width and height of the terminal behind a stream, and a usual size for what is none or does not
// say.
func terminalSize(stream any) (width, height int) {
	if file, ok := stream.(*os.File); ok {
		if w, h, err := term.GetSize(int(file.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// visible makes a text from outside safe for a terminal and for a table.
func visible(text string) string { return observe.Visible(text) }

// maxError is the longest line of an error that is printed.
const maxError = 4096

// visibleLines is visible line by line: an error may be several. A server that nobody vouches for, and its certificate,
// speak in them.
func visibleLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = observe.Plain(line, maxError)
	}
	return strings.Join(lines, "\n")
}

// cut shortens a text to so many characters and marks that it did.
func cut(text string, longest int) string { return observe.Shorten(text, longest) }

// safeJSON writes JSON that disturbs no terminal, see observe.SafeJSON.
type safeJSON struct{ w io.Writer }

func (s safeJSON) Write(p []byte) (int, error) { return observe.SafeJSON(s.w).Write(p) }
