package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// everyStatementEnds: a server that keeps its connections and says nothing is an error in time, also for a caller that
// named no time, at each message of what is done: begin, statement, commit.
func everyStatementEnds(e *env) {
	calls := map[string]func(ctx context.Context, db *store.DB, l *store.Lease) error{
		"open": nil,
		"ping": func(ctx context.Context, db *store.DB, _ *store.Lease) error { return db.Ping(ctx) },
		"add": func(ctx context.Context, db *store.DB, l *store.Lease) error { // a transaction
			_, _, err := db.Operator().Add(ctx, []outbox.Entry{{Portal: l.Portal(), LeadID: ptr("a"), EventID: ptr("b")}})
			return err
		},
		"renew": func(ctx context.Context, _ *store.DB, l *store.Lease) error { return l.Renew(ctx) },
		"counts": func(ctx context.Context, db *store.DB, _ *store.Lease) error {
			_, err := db.Operator().Counts(ctx)
			return err
		},
		"schema": func(ctx context.Context, db *store.DB, _ *store.Lease) error { return db.CheckSchema(ctx) },
		"portals": func(ctx context.Context, db *store.DB, _ *store.Lease) error {
			_, err := db.Operator().Portals(ctx)
			return err
		},
		"key": func(ctx context.Context, db *store.DB, _ *store.Lease) error {
			_, err := db.Tokens().LoadOrMakeKey(ctx, "a", func() (string, error) { return "x", nil })
			return err
		},
	}
	var all sync.WaitGroup
	turn := make(chan struct{}, 12) // each has sessions of its own on the server
	for name, call := range calls {
		for piece := 1; piece <= 8; piece++ { // no call has more
			all.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				e.silenceAt(name, piece, call)
			})
		}
	}
	all.Wait()
}

// silenceAt does a call while the server says nothing more from a message on.
func (e *env) silenceAt(name string, piece int, call func(ctx context.Context, db *store.DB, l *store.Lease) error) {
	const patience = 2 * time.Second
	p, url := NewProxy(e, e.url)
	db, err := store.Open(e.Context(), url, store.Options{Patience: patience})
	if err != nil {
		e.Error(err)
		return
	}
	l, err := db.Acquire(e.Context(), fmt.Sprint(name, piece), "one")
	if err != nil {
		e.Error(err)
		return
	}
	frozen := p.Silence(piece, 1)
	began := time.Now()
	if name == "open" {
		err = openAgain(url)
	} else {
		err = call(context.Background(), db, l)
	}
	if took := time.Since(began); took > patience+connectsIn {
		e.Errorf("%s: silence from message %d on took %s", name, piece, took.Round(time.Second))
	}
	select {
	case <-frozen:
		if name != "open" || err != nil { // a session that was made is told goodbye, which waits for no answer
			e.away(name, err)
		}
	default: // over before
	}
	p.Speak()
	_ = l.Release(e.Context())
	_ = db.Close()
}

// connectsIn is how long a session may take to be made.
const connectsIn = 10 * time.Second

func openAgain(url string) error {
	db, err := store.Open(context.Background(), url, store.Options{Patience: time.Second})
	if err == nil {
		_ = db.Close()
	}
	return err
}
