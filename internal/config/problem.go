package config

import (
	"strconv"
	"strings"

	"leadsync/internal/observe"
)

// Problem is one reason why a configuration is refused.
type Problem struct {
	// Where is "leadsync.yaml:12" or "LEADSYNC_PUSH_LINGER", empty when the trouble has no place (a default, the whole).
	Where string
	// Key is the path of the key, e.g. push.linger; empty when it is about the file.
	Key string
	// Text names value, rule and cure. It never holds a secret.
	Text string
}

// line is the line number of Where, -1 for a problem that has none.
func (p Problem) line() int {
	number, err := strconv.Atoi(p.Where[strings.LastIndexByte(p.Where, ':')+1:])
	if err != nil {
		return -1
	}
	return number
}

// String is the line an operator reads.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.Where, p.Key, p.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Error is a refused configuration with everything that is wrong with it, in the order of the file. Commands exit 78 on
// it.
type Error struct{ Problems []Problem }

// Error is one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// refused is the error of a single problem.
func refused(where, key, text string) *Error {
	return &Error{Problems: []Problem{{Where: where, Key: key, Text: text}}}
}

// shown is a value as it may stand in an error: short, one line, without addresses and tokens.
func shown(value string) string {
	const longest = 60
	value = observe.Mask(value)
	if cut := []rune(value); len(cut) > longest {
		value = string(cut[:longest]) + "..."
	}
	return quote(value)
}

// quote is a YAML and JSON string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// nearest finds the word of known that was probably meant, or "". The last part of a path counts too, so that a key in
// the wrong section is found. Letters are compared without case.
func nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, bestScore := "", 0
	for _, candidate := range known {
		whole := strings.ToLower(candidate)
		last := whole[strings.LastIndexByte(whole, '.')+1:]
		away := min(distance(word, whole), distance(word, last))
		prefix := commonPrefix(word, last)
		near := away <= max(2, len(word)/3) && away < len(word)
		begins := prefix >= 4 && prefix*2 >= min(len(word), len(last))
		if score := away - prefix; (near || begins) && (best == "" || score < bestScore) {
			best, bestScore = candidate, score
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is Levenshtein's, a swap of two neighbours counting as one.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// oneOf writes the words of a choice for a person.
func oneOf(words []string) string { return strings.Join(words, ", ") }
