package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// isTerminal says whether a stream is a terminal; what is not a file is none.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalSize is the width and height of the terminal behind a stream, and a usual size for what is none or does not say.
func terminalSize(stream any) (width, height int) {
	if file, ok := stream.(*os.File); ok {
		if w, h, err := term.GetSize(int(file.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 80, 24
}

// visible makes a text safe for a terminal and for a table: what an application wrote may hold escape sequences, line breaks, and
// marks that turn the direction of writing. Everything that is not printed as itself is written as Go writes it in a string: \n,
// \x1b, \u202e.
func visible(text string) string {
	if strings.IndexFunc(text, odd) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(unicode.ReplacementChar)):
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i])|0x100, 16)[1:])
		case odd(r):
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// odd is true for what does not print as itself, and for the replacement of a byte that is no UTF-8.
func odd(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

// cut shortens a text to so many characters and marks that it did.
func cut(text string, longest int) string {
	n := 0
	for i := range text {
		if n++; n > longest {
			last := []rune(text[:i])
			return string(last[:len(last)-1]) + "…"
		}
	}
	return text
}

// safeJSON writes JSON with the control characters escaped that the encoder leaves in strings: DEL and those between U+0080 and
// U+009F, which terminals obey. Outside strings valid JSON has none, so the meaning stays.
type safeJSON struct{ w io.Writer }

func (s safeJSON) Write(p []byte) (int, error) {
	text := string(p)
	if strings.IndexFunc(text, lateControl) < 0 {
		return s.w.Write(p)
	}
	var b strings.Builder
	for _, r := range text {
		if lateControl(r) {
			b.WriteString(`\u00` + strconv.FormatInt(int64(r), 16))
		} else {
			b.WriteRune(r)
		}
	}
	if _, err := io.WriteString(s.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

func lateControl(r rune) bool { return r >= 0x7f && r <= 0x9f }
