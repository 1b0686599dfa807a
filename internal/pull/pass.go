package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/internal/settlement"
)

// Once says what a single pass does.
type Once struct {
	// Stream is the only one to run; empty = all of them.
	Stream string
	// Since makes changes (or lagged, when it is the only stream) begin there instead of where it stands; zero = not.
	Since time.Time
	// Progress is told of each page that was committed; may be nil.
	Progress func(stream string, done Result)
}

// Done is what a run of one stream did.
type Done struct {
	Stream string
	Result
}

// Once runs the streams once, one after the other, and returns what each did; with an error, what was done before it.
func (l *Loop) Once(ctx context.Context, hubID int64, once Once) ([]Done, error) {
	var done []Done
	for _, s := range Streams() { // what status shows of the others
		if _, ok := l.startAt(ctx, hubID, s); !ok {
			return nil, ctx.Err()
		}
	}
	for _, s := range Streams() {
		if once.Stream != "" && once.Stream != string(s) {
			continue
		}
		options := RunOptions{}
		if s == Changes || once.Stream != "" {
			options.Since = once.Since
		}
		var before Result
		if once.Progress != nil {
			options.Progress = func(at Position) {
				if at.Scan != nil {
					before = at.Scan.Result
				} else if at.Last != nil {
					before = *at.Last
				}
				once.Progress(string(s), before)
			}
		}
		result, err := l.runStream(ctx, s, options)
		done = append(done, Done{string(s), result})
		if err != nil {
			if errors.Is(context.Cause(ctx), settlement.ErrLeaseLost) || errors.Is(err, settlement.ErrLeaseLost) {
				err = errors.New("another process took the portal; what was committed stays")
			}
			return done, fmt.Errorf("stream %s: %w", s, err)
		}
	}
	return done, nil
}
