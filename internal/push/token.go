package push

import (
	"time"

	"leadsync/internal/hubspot"
)

// TokenTrouble tells the lane that there is no token, found out without a request: an idle lane says so too.
func (w *Worker) TokenTrouble(err error) { w.breaker.Fail(&hubspot.TokenError{Err: err}) }

// TokenRenewed tells the lane that there is a token, after a login or when the trouble of one has passed: it goes on at once, and
// what the old token was not allowed is tried again.
func (w *Worker) TokenRenewed() {
	w.account.TokenRenewed()
	w.consent.noBatch(time.Time{}) // the new token may be allowed more
	w.mu.Lock()
	clear(w.refusedOps)
	w.permitLocked()
	w.mu.Unlock()
	w.breaker.TokenRenewed()
	w.consent.breaker.TokenRenewed()
}
