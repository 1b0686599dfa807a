package pull

import (
	"context"
	"time"
)

// streamState is what is known of a stream without asking the database.
type streamState struct {
	position Position
	failing  string // the class of the last run's error; empty = it ended well
	since    int64  // when the first run failed of those that failed one after the other; unix ms
}

// fail notes that a run failed.
func (s *streamState) fail(class string) {
	if s.failing == "" {
		s.since = time.Now().UnixMilli()
	}
	s.failing = class
}

// State is how a stream stands.
type State struct {
	Stream   Stream
	Position Position
	// Failing is the class of the last run's error, empty = it ended well; FailingSince is when the first run failed of
	// those that failed one after the other, unix ms.
	Failing      string
	FailingSince int64
	Scheduled    bool // what follows is known
	Next         time.Time
	Skipped      int
	Running      time.Duration // since when it runs; 0 = it does not
}

// States tells how the streams stand.
func (l *Loop) States() []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]State, 0, len(l.streams))
	for _, s := range Streams() {
		st := l.streams[s]
		out := State{Stream: s, Position: st.position, Failing: st.failing, FailingSince: st.since}
		if l.times != nil {
			t := l.times.Status(string(s))
			out.Scheduled, out.Next, out.Skipped, out.Running = true, t.Next, t.Skipped, t.Running
		}
		all = append(all, out)
	}
	return all
}

// Recall reads what the streams did under owners before, so that it can be told also while HubSpot is away. What cannot
// be read now is read when the account is known.
func (l *Loop) Recall(ctx context.Context, hubID int64) error {
	for _, s := range Streams() {
		position, err := l.Puller.Position(ctx, hubID, s)
		if err != nil {
			return err
		}
		l.note(s, position, "")
	}
	return nil
}

// RecallFailing goes on with the count of how long a stream has failed: a restart is no success.
func (l *Loop) RecallFailing(s Stream, class string, since int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st := l.streams[s]; st != nil {
		st.failing, st.since = class, since
	}
}

func (l *Loop) note(s Stream, position Position, failing string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.streams[s] = streamState{position: position, failing: failing}
}

// begins notes where a stream stands before its first run of this ownership.
func (l *Loop) begins(s Stream, position Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[s].position = position
}

func (l *Loop) noteProgress(s Stream, position Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[s].position = position
}
