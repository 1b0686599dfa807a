package breaker

import "leadsync/internal/hubspot"

// ReportShared records the outcome of a request that somebody else made on the same account: nil for an answered
// request whose result is stored. Only what holds for the whole account counts; an outage of one endpoint says nothing
// about the others.
func (b *Breaker) ReportShared(err error) {
	switch hubspot.Classify(err) {
	case hubspot.ClassUnauthorized, hubspot.ClassDaily, hubspot.ClassMigrating:
		b.Fail(err)
	}
	if err != nil {
		return
	}
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.verdict.State {
	case Running, Degraded, NeedsLogin:
		b.succeed(now)
	case Limited:
		if !b.until.After(now) {
			b.succeed(now)
		}
	}
}

// SharedWaits reports whether nothing may be sent to HubSpot now, also not by those who share the account: a limit, a
// token that is refused, an outage. What pauses the lane alone (a rule of the portal, a scope that only writes need)
// does not count.
func (b *Breaker) SharedWaits() bool {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.verdict.State != Running && b.verdict.State != Paused && earliest(b.until, b.freshAt).After(now)
}
