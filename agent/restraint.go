package agent

import (
	v1 "roster/proto/roster/v1"
)

// restraint is what keeps an agent from acting on an order; zero: nothing does.
type restraint struct {
	// observe: the agent only looks, whatever the set says.
	observe bool
	// why hands are off for a while, for people; empty: they are not.
	why string
}

func (r restraint) holds() bool { return r != restraint{} }

// restraint is what holds now; o.mu is held.
func (o *orders) restraint() restraint {
	r := restraint{observe: o.observes}
	if o.set != nil {
		r.observe = o.set.GetObserve()
	}
	switch {
	case o.frozen != "":
		r.why = "this host is frozen: " + o.frozen
	case o.set.GetHandsOff():
		r.why = "the operator keeps Roster's hands off this node"
	}
	return r
}

func (o *orders) isFrozen() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.frozen != ""
}

// freeze notes why the host is frozen, empty: it is not, and says whether that is news.
func (o *orders) freeze(why string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.frozen == why {
		return false
	}
	o.frozen = why
	for _, s := range o.slots {
		next := s.order
		next.off = o.restraint()
		s.put(next)
	}
	return true
}

// replaces says whether a set takes the place of the one that is held: it is newer, or
// it says that it supersedes what is newer than itself. What was superseded once never
// comes back.
func replaces(set, held *v1.AssignmentSet) bool {
	over, was := set.GetSupersedes(), held.GetSupersedes()
	if after(over, was) && !after(versionOf(held), over) {
		return true
	}
	if !after(versionOf(set), versionOf(held)) {
		return false
	}
	return !after(was, over) || after(versionOf(set), was)
}

func versionOf(set *v1.AssignmentSet) *v1.SetVersion {
	return &v1.SetVersion{Epoch: set.GetEpoch(), Generation: set.GetGeneration()}
}

func after(x, y *v1.SetVersion) bool {
	return newer(x.GetEpoch(), x.GetGeneration(), y.GetEpoch(), y.GetGeneration())
}

func sameVersion(x, y *v1.AssignmentSet) bool {
	return x.GetEpoch() == y.GetEpoch() && x.GetGeneration() == y.GetGeneration()
}
