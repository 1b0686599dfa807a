package demo

import (
	"fmt"
	"io"
	"strings"
)

// progress shows how the demo goes: on a terminal one line that is redrawn, elsewhere a line for each part.
type progress struct {
	w     io.Writer
	live  bool
	part  string
	drawn bool
}

// begin names the part of the story that begins.
func (p *progress) begin(part string) {
	p.part = part
	if !p.live {
		fmt.Fprintf(p.w, "demo: %s\n", part)
	}
}

// Widths in characters. The line must not wrap, or it could not be redrawn.
const (
	barWidth  = 12
	lineWidth = 79
)

// show draws the line anew; off a terminal it does nothing.
func (p *progress) show(c counts) {
	if !p.live {
		return
	}
	filled := 0
	if c.rows > 0 {
		filled = barWidth * c.settled() / c.rows
	}
	line := fmt.Sprintf("[%s%s] %d/%d rows, %d dead  %s", strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), c.settled(), c.rows, c.dead, p.part)
	fmt.Fprintf(p.w, "\r\x1b[K%.*s", lineWidth, line)
	p.drawn = true
}

// done ends a part.
func (p *progress) done(c counts) {
	if p.live {
		p.show(c)
		return
	}
	fmt.Fprintf(p.w, "demo:   %d of %d rows settled: %d delivered, %d skipped, %d dead\n", c.settled(), c.rows, c.delivered, c.skipped, c.dead)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
