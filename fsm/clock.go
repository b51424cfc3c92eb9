package fsm

import "time"

// Time is the cluster's time: the leader's at the newest event, the zero time
// where there is none yet. It never goes back, on any member.
func (s *State) Time() time.Time {
	if s.events.len() == 0 {
		return time.Time{}
	}
	return s.events.at(s.events.len() - 1).GetTime().AsTime()
}
