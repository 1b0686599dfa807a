package hubspot

import "context"

// Priority orders the requests that wait in the limiter.
type Priority int

// Lower goes first. A context without a priority is PriorityLive.
const (
	PriorityUnsubscribe Priority = iota
	PriorityLive
	PriorityPull // has a floor: it gets one slot in twenty whatever else waits
	PriorityBackfill

	priorities = int(PriorityBackfill) + 1
)

type priorityKey struct{}
type gateKey struct{}

// WithPriority sets the priority of the requests made with the context.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

func priorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey{}).(Priority); ok && p >= PriorityUnsubscribe && p <= PriorityBackfill {
		return p
	}
	return PriorityLive
}

// WithGate sets a question that is asked when a request has passed the limiter, right before it is sent. An error stops
// the request unsent. The owner of a lease uses it: the wait in the limiter may be longer than what is left of the
// lease.
func WithGate(ctx context.Context, gate func(context.Context) error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

func passGate(ctx context.Context) error {
	if gate, ok := ctx.Value(gateKey{}).(func(context.Context) error); ok {
		if err := gate(ctx); err != nil {
			return &unsentError{err}
		}
	}
	return nil
}

// unsentError keeps the words of the gate or of the daily store, which are printed as they stand: they come from our
// own side.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }
