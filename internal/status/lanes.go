package status

// The lanes that an operator can pause by hand. Rows of the application say live or backfill; pull and unsubscribe are
// the daemon's.
const (
	LaneLive        = "live"
	LaneBackfill    = "backfill"
	LanePull        = "pull"
	LaneUnsubscribe = "unsubscribe"
)

// Lanes lists them. Unsubscribe comes last: it is paused together with all the others only, since a person who said no
// must not get mail while somebody forgets to resume.
func Lanes() []string { return []string{LaneLive, LaneBackfill, LanePull, LaneUnsubscribe} }
