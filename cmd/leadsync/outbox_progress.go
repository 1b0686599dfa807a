package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"leadsync/internal/status"
)

const (
	barEvery  = 100 * time.Millisecond // between two drawings on a terminal
	lineEvery = 10 * time.Second       // between two lines elsewhere
)

// progress shows how far an import is: a bar on a terminal, a line now and then elsewhere. It shares standard error
// with the messages about bad records, so those go through print.
type progress struct {
	out      io.Writer
	terminal bool
	width    int
	name     string
	size     int64 // bytes, 0 = not known
	begun    time.Time
	last     time.Time // of the last drawing
	drawn    bool      // the bar stands on the line
}

func newProgress(out io.Writer, name string, size int64) *progress {
	now := time.Now()
	width, _ := terminalSize(out)
	return &progress{out: out, terminal: isTerminal(out), width: width, name: name, size: size, begun: now, last: now}
}

// show is told the records and bytes read so far.
func (p *progress) show(records, bytes int64) {
	now := time.Now()
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	text := p.text(records, bytes, now.Sub(p.begun))
	if !p.terminal {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprint(p.out, "\r"+text+"\x1b[K")
	p.drawn = true
}

// print writes a whole line, above the bar.
func (p *progress) print(line string) {
	p.end()
	fmt.Fprintln(p.out, line)
}

// end takes the bar away.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// text is the line: with a bar on a terminal where the size is known.
func (p *progress) text(records, bytes int64, elapsed time.Duration) string {
	tail := fmt.Sprintf("%d records, %.0f a second", records, float64(records)/max(elapsed.Seconds(), 0.001))
	if p.size <= 0 || bytes <= 0 {
		return p.fit(p.name + ": " + tail)
	}
	share := min(1, float64(bytes)/float64(p.size))
	tail = fmt.Sprintf("%3.0f %%, %s, %s left", 100*share, tail, status.Elapsed(time.Duration(float64(elapsed)*(1-share)/share)))
	room := p.width - len(p.name) - len(tail) - 5 // brackets, spaces, and the last column that some terminals wrap at
	if !p.terminal || room < 10 {
		return p.fit(p.name + ": " + tail)
	}
	room = min(room, 40)
	full := int(share * float64(room))
	return p.name + " [" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "] " + tail
}

// fit keeps a line of a terminal from wrapping, which the next drawing could not take back.
func (p *progress) fit(text string) string {
	if p.terminal {
		return cut(text, p.width-1)
	}
	return text
}
