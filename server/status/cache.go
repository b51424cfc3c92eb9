package status

import (
	"sync"
	"time"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/fsm/placement"
)

// Cache keeps the placement of the state that it saw last, which is the dear
// part of a status: whoever waits for a change asks again and again. The zero
// value is ready; it is safe for concurrent use.
type Cache struct {
	mu     sync.Mutex
	state  *fsm.State
	second time.Time // what was lost may be lost for good a second later
	placed placed
}

// placed is what follows from a state at a time.
type placed struct {
	target *placement.Target
	plans  []*v1.ProposedPlan
	err    error
}

// place is the placement of the topology in force, and what would be done of
// it if policy let it.
func (c *Cache) place(in Input) placed {
	state, now := in.State, in.Now
	c.mu.Lock()
	defer c.mu.Unlock()
	if second := now.Truncate(time.Second); c.state != state || !c.second.Equal(second) {
		c.placed = placed{}
		c.placed.target, c.placed.err = placement.Place(in.placementView())
		if c.placed.err == nil && asks(in.effective().GetPolicy()) {
			c.placed.plans = fsm.ProposedFor(state, c.placed.target, now)
		}
		c.state, c.second = state, second
	}
	return c.placed
}

// asks: something that Roster would do is left to the operator.
func asks(p *v1.Policy) bool {
	for _, who := range []v1.Automation{p.GetRepair(), p.GetRebalance()} {
		if who == v1.Automation_AUTOMATION_APPROVE || who == v1.Automation_AUTOMATION_OFF {
			return true
		}
	}
	return false
}
