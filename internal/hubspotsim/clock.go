package hubspotsim

import "time"

// now is HubSpot's clock: ours and the skew. Answers, values and histories are stamped with it.
func (s *Sim) now() time.Time { return s.cfg.Clock().Add(time.Duration(s.skew.Load())) }

// SetSkew sets how far HubSpot's clock is ahead of ours; negative = behind. It may step at any time, as clocks do.
func (s *Sim) SetSkew(d time.Duration) { s.skew.Store(int64(d)) }
