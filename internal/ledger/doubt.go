package ledger

import "slices"

// maxMaybe bounds the values in doubt of one property; the oldest goes first. Each stands for a request that ended without an answer
// within the time of one second look.
const maxMaybe = 16

// MayHold notes a value that a request of ours with an unknown outcome may have put into a property, or may still put there. The doubt
// stands on the link, whatever becomes of the row, until EndDoubt.
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

// InDoubt reports whether it is not known what HubSpot holds of the lead: nothing may be called unchanged, be sent or be dead before a
// reading.
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

// EndDoubt ends it, after a reading that began at the time (unix ms). It reports false, and changes nothing, while a request of ours may
// be executed after that.
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
