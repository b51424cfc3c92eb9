package agent

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// Why a set is not taken in.
var (
	// errOlder: a newer one is held. It is never acted on.
	errOlder = errors.New("older than the set that is held")
	// errHeld: it is held already.
	errHeld = errors.New("held already")
	// errNoOrder: an empty list that does not say that it means it.
	errNoOrder = errors.New("an empty list that does not say that it is meant")
)

// order is what the held set asks of one service.
type order struct {
	// known is false while no set is held: then nothing is asked, not even to
	// serve nothing.
	known bool
	// wanted is unspecified where the set does not name the service.
	wanted v1.Wanted
	// since tells one drain from another; the leader's time, never compared with
	// this host's.
	since time.Time
	// drain bounds a drain.
	drain time.Duration
	// off is what keeps the agent from acting on it.
	off restraint
	// epoch and generation of the first set that asked for it.
	epoch, generation uint64
}

// asks says whether both ask for the same.
func (o order) asks(p order) bool {
	return o.known == p.known && o.wanted == p.wanted && o.since.Equal(p.since) && o.drain == p.drain && o.off == p.off
}

// newer compares what sets are known by.
func newer(epoch, generation, thanEpoch, thanGeneration uint64) bool {
	if epoch != thanEpoch {
		return epoch > thanEpoch
	}
	return generation > thanGeneration
}

// orders holds the newest set and what it asks of each service. Sets only ever get
// newer.
type orders struct {
	mu    sync.Mutex
	set   *v1.AssignmentSet // nil: none is held
	slots map[string]*slot
	// observes is what the config says, for as long as no set says otherwise.
	observes bool
	// frozen is why the host's freeze file keeps the agent from acting; empty: it
	// does not.
	frozen string
}

type slot struct {
	order order
	// changed is closed when the order is another one.
	changed chan struct{}
}

func newOrders(services []string, observes bool) *orders {
	o := &orders{slots: make(map[string]*slot), observes: observes}
	for _, s := range services {
		o.slots[s] = &slot{order: order{off: o.restraint()}, changed: make(chan struct{})}
	}
	return o
}

// held is the set; nil where there is none. It must not be changed.
func (o *orders) held() *v1.AssignmentSet {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.set
}

// judge says why a set must not be taken in; nil where it is newer.
func (o *orders) judge(set *v1.AssignmentSet) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.judgeLocked(set)
}

func (o *orders) judgeLocked(set *v1.AssignmentSet) error {
	if len(set.GetAssignments()) == 0 && !set.GetEmpty() {
		return errNoOrder
	}
	switch {
	case o.set == nil || replaces(set, o.set):
		return nil
	case sameVersion(set, o.set) && set.GetObserve() == o.set.GetObserve() && set.GetHandsOff() == o.set.GetHandsOff():
		return errHeld
	case sameVersion(set, o.set):
		return nil // it asks for the same, and says anew who may act on it
	}
	return fmt.Errorf("%w: epoch %d generation %d, held is epoch %d generation %d", errOlder,
		set.GetEpoch(), set.GetGeneration(), o.set.GetEpoch(), o.set.GetGeneration())
}

// take makes a newer set the held one. It judges again, since another one may have
// come in between.
func (o *orders) take(set *v1.AssignmentSet) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.judgeLocked(set); err != nil {
		return err
	}
	o.set = proto.CloneOf(set)
	asked := ordersOf(set)
	for name, s := range o.slots {
		next := asked[name]
		next.known, next.epoch, next.generation = true, set.GetEpoch(), set.GetGeneration()
		next.off = o.restraint()
		s.put(next)
	}
	return nil
}

// put replaces an order, and tells whoever works on it, unless it asks for the same.
func (s *slot) put(next order) {
	if next.asks(s.order) {
		return
	}
	s.order = next
	close(s.changed)
	s.changed = make(chan struct{})
}

// ordersOf reads a set.
func ordersOf(set *v1.AssignmentSet) map[string]order {
	asked := make(map[string]order)
	for _, a := range set.GetAssignments() {
		next := order{wanted: a.GetWanted(), drain: a.GetDrain().AsDuration()}
		if a.GetSince() != nil && next.wanted == v1.Wanted_WANTED_DRAINING {
			next.since = a.GetSince().AsTime()
		}
		if next.wanted != v1.Wanted_WANTED_DRAINING {
			// Another pool, or another bound, touches nothing that serves.
			next.drain = 0
		}
		asked[a.GetService()] = next
	}
	return asked
}

// of is the order for a service, and a channel that is closed once it is another.
func (o *orders) of(service string) (order, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.slots[service]
	return s.order, s.changed
}

// stands says, at the moment of acting, whether an order is still what the newest set
// asks for.
func (o *orders) stands(service string, was order) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.slots[service].order
	return now.epoch == was.epoch && now.generation == was.generation && now.asks(was)
}
