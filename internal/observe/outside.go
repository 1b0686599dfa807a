package observe

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Visible makes a text from outside safe for a terminal, a log and a table: what an application, HubSpot or an unknown
// server wrote may hold escape sequences, line breaks, and marks that turn the direction of writing. Everything that is
// not printed as itself is written as Go writes it in a string: \n, \x1b, \u202e.
func Visible(text string) string {
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

// Shorten cuts a text after so many characters and marks that it did. It looks at no more of the text than it keeps.
func Shorten(text string, longest int) string {
	n := 0
	for i := range text {
		if n++; n > longest {
			last := []rune(text[:i])
			return string(last[:len(last)-1]) + "…"
		}
	}
	return text
}

// Plain is Visible of the first characters of a text.
func Plain(text string, longest int) string { return Visible(Shorten(text, longest)) }

// ShellWord writes a text so that every shell takes it as one word and runs nothing of it: bash, zsh, dash and busybox
// alike. The $'...' of bash is not in it, since in dash the text behind it would be run. What a terminal would obey is
// written in octal, which printf turns back.
func ShellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	if Visible(text) != text {
		var b strings.Builder
		for _, c := range []byte(text) {
			if plain(rune(c)) {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, `\0%03o`, c)
			}
		}
		return `"$(printf %b '` + b.String() + `')"`
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// SafeJSON writes JSON with the characters escaped that the encoder leaves in strings and that a terminal obeys or an
// eye is deceived by: DEL, the controls between U+0080 and U+009F, marks of direction and what has no width. Outside
// strings valid JSON has none, so the meaning stays.
func SafeJSON(w io.Writer) io.Writer { return safeJSON{w} }

type safeJSON struct{ w io.Writer }

func (s safeJSON) Write(p []byte) (int, error) {
	text := string(p)
	if strings.IndexFunc(text, unseen) < 0 {
		return s.w.Write(p)
	}
	var b strings.Builder
	for _, r := range text {
		if !unseen(r) {
			b.WriteRune(r)
			continue
		}
		for _, half := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, half)
		}
	}
	if _, err := io.WriteString(s.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unseen is true for what does not print as itself, but for the ASCII that JSON itself is made of and spaces.
func unseen(r rune) bool {
	return r == 0x7f || r > 0x7f && r != utf8.RuneError && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}
