package session

import "roster/fsm"

// handsOff says whether the operator keeps Roster off a node: a freeze of this
// very node, for as long as the record is there. The channel is closed when that
// may have changed. It does not look at a clock: a freeze whose time has passed
// ends for everybody when its record goes.
func handsOff(state *fsm.State, node string) (bool, <-chan struct{}) {
	freezes, changed := state.FreezesAndWatch()
	for _, f := range freezes {
		if f.GetScope() == "node:"+node {
			return true, changed
		}
	}
	return false, changed
}
