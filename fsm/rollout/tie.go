package rollout

import v1 "roster/proto/roster/v1"

// ties says which services have to do with each other: those that a pool serves
// together, in the target or in a record, and those that restart together on some
// node. What is not tied shares no floor, no max_moving and no restart.
type ties struct {
	parent map[tie]tie
}

// tie is a service or a pool.
type tie struct{ service, pool string }

func (b *board) newTies() *ties {
	t := &ties{parent: map[tie]tie{}}
	for _, h := range b.hosts {
		groups := map[string]string{} // a service of each
		for _, s := range h.slots {
			own := tie{service: s.service}
			if s.wantedHere() {
				t.join(own, tie{pool: s.pool})
			}
			if pool := s.assignment.GetPool(); pool != "" {
				t.join(own, tie{pool: pool})
			}
			if s.group == "" {
				continue
			}
			if first := groups[s.group]; first != "" {
				t.join(own, tie{service: first})
			}
			groups[s.group] = s.service
		}
	}
	return t
}

func (t *ties) root(of tie) tie {
	for {
		up, known := t.parent[of]
		if !known {
			return of
		}
		if further, known := t.parent[up]; known {
			t.parent[of] = further
		}
		of = up
	}
}

func (t *ties) join(a, b tie) {
	if a, b = t.root(a), t.root(b); a != b {
		t.parent[a] = b
	}
}

// underway notes what is still waited for. A drain that an older topology began is
// not, since it may take long, and neither is one that empties a node for the
// operator. Everything waits for a start, and for a drain as long as for a start;
// for a drain that takes longer only what is tied to it.
func (b *board) underway() (everything bool) {
	var long []*slot
	for _, h := range b.hosts {
		for _, s := range h.slots {
			switch {
			case s.phase == starting:
				return true
			case s.phase != draining || s.taken() || !b.current(s):
			case b.v.Now.Before(s.assignment.GetSince().AsTime().Add(StartDeadline)):
				return true
			default:
				long = append(long, s)
			}
		}
	}
	if len(long) == 0 {
		return false
	}
	b.ties, b.busy = b.newTies(), map[tie]bool{}
	for _, s := range long {
		b.busy[b.ties.root(tie{service: s.service})] = true
	}
	return false
}

// waits: something that it is tied to is still on its way.
func (b *board) waits(s *slot) bool {
	return b.ties != nil && b.busy[b.ties.root(tie{service: s.service})]
}

func (b *board) current(s *slot) bool {
	return s.assignment.GetRevision() == b.v.Revision && s.host.GetSettings().GetDrain() == nil
}

// passesWaves: a seat that an order gives to a service under its floor, and what
// makes up for a drain of the operator's, waits for no wave.
func (b *board) passesWaves(s *slot) bool {
	if s.borrowed {
		return b.cause(s, v1.Action_ACTION_START) == v1.Cause_CAUSE_REBALANCE
	}
	return b.short(s)
}
