package ledger

import (
	"maps"
	"slices"
)

// maxMaybe bounds the values in doubt of one property; the oldest goes first. Each stands for a request that ended
// without an answer within the time of one second look.
const maxMaybe = 16

// MayHold notes a value that a request of ours with an unknown outcome may have put into a property, or may still put
// there. The doubt stands on the link, whatever becomes of the row, until EndDoubt.
func (l *Link) MayHold(property, canon string) {
	f := l.Fields[property]
	if slices.Contains(f.Maybe, canon) {
		return
	}
	f.Maybe = append(slices.Clone(f.Maybe), canon)
	if n := len(f.Maybe); n > maxMaybe {
		f.Maybe = f.Maybe[n-maxMaybe:]
	}
	if l.Fields == nil {
		l.Fields = map[string]Field{}
	}
	l.Fields[property] = f // not setField: what is known of the address does not change
}

// InDoubt reports whether it is not known what HubSpot holds of the lead: nothing may be called unchanged, be sent or
// be dead before a reading.
func (l *Link) InDoubt() bool {
	if l.SecondLookAt != 0 {
		return true
	}
	for _, f := range l.Fields {
		if len(f.Maybe) > 0 {
			return true
		}
	}
	return false
}

// EndDoubt ends it, after a reading that began at the time (unix ms). It reports false, and changes nothing, while a
// request of ours may be executed after that.
func (l *Link) EndDoubt(readAt int64) bool {
	if l.SecondLookAt > readAt {
		return false
	}
	l.SecondLookAt = 0
	for p, f := range l.Fields {
		if len(f.Maybe) == 0 {
			continue
		}
		if f.Maybe = nil; f.IsZero() {
			delete(l.Fields, p)
			continue
		}
		l.Fields[p] = f
	}
	return true
}

// LeaveToConsent takes the link out of every lane but that of consent: no second look, and nothing is owed.
func (l *Link) LeaveToConsent() {
	l.SecondLookAt, l.Fields = 0, maps.Clone(l.Fields)
	for p, f := range l.Fields {
		f.Left = nil
		l.Fields[p] = f
	}
}

// CutWaits takes back what the link waits for beyond now (unix ms) and the longest wait that is ever set: it was
// written before the clock was set back. look is the one of a second look and of the doubt about a SUBSCRIBED, which
// last that long from now, since no request of before is executed later; retry is the one of the next try of an
// opt-out, which is made now. It reports whether anything stood there.
func (l *Link) CutWaits(now, look, retry int64) bool {
	cut := false
	bring := func(at *int64, longest, to int64) {
		if *at > now+longest {
			*at, cut = to, true
		}
	}
	bring(&l.SecondLookAt, look, now+look)
	bring(&l.OptOut.NotBefore, retry, now)
	bring(&l.OptOut.FormerAt, retry, now)
	bring(&l.OptOut.Again, look, now)
	doubts := maps.Clone(l.OptOut.Doubts)
	for a, until := range doubts {
		bring(&until, look, now+look)
		doubts[a] = until
	}
	l.OptOut.Doubts = doubts
	return cut
}
