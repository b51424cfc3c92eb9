package placement

import "slices"

// seatShared places the pools that are shared, one after the other, once all
// others have their members: any node that fits may have seats of them beside
// its own.
//
// What a seat before means anyhow is not started for a shared one, nor taken
// away with it: such a seat leaves no trace in the records, and its price does
// not change on the way of a rollout. What a node serves for a pool that comes
// later does not count: it would make a node cheaper while the rollout of that
// pool goes on, and the choice would change.
func (p *problem) seatShared(s *sizing, f *filling, seats *seating) {
	for _, got := range []*[]int{&s.wanted, &f.got} {
		*got = append(*got, make([]int, len(p.pools)-len(*got))...)
	}
	if p.own == len(p.pools) {
		return
	}
	p.given = make([]bool, len(p.nodes)*len(p.services))
	for i, pools := range seats.of {
		for _, k := range pools {
			p.give(i, k)
		}
	}
	for k := p.own; k < len(p.pools); k++ {
		strained := p.strained
		p.seatOne(k, s, f, seats)
		p.strained = strained
	}
}

func (p *problem) seatOne(k int, s *sizing, f *filling, seats *seating) {
	p.openShared(k, s, f)
	at := p.choose([]int{k}, f.got)
	room := s.wanted[k] - f.got[k]
	for i := range p.nodes {
		n := &p.nodes[i]
		switch {
		case at[i] == k:
		case n.barrier[k] == gone && n.holds[k] && room > 0:
			seats.kept[k] = append(seats.kept[k], i)
			room--
		default:
			continue
		}
		seats.of[i] = append(seats.of[i], k)
		p.give(i, k)
	}
}

// openShared says how large a shared pool should be and gets, and which nodes
// may be its members.
func (p *problem) openShared(k int, s *sizing, f *filling) {
	for _, got := range []*[]int{&s.wanted, &f.got} {
		*got = append(*got, make([]int, len(p.pools)-len(*got))...)
	}
	pool := &p.pools[k]
	fit, open, lost := 0, 0, false
	for i := range p.nodes {
		n := &p.nodes[i]
		n.holds[k] = n.holds[k] && p.holdsShared(i, k)
		n.barrier[k] = p.admitShared(i, k)
		if n.barrier[k].fits() {
			fit++
		}
		switch n.barrier[k] {
		case free:
			open++
			pool.watched = pool.watched || n.holds[k] && observing(n.Node)
		case gone:
			lost = true
		}
	}
	s.wanted[k] = fit
	if kind(pool.Pool) == 0 {
		s.wanted[k] = int(pool.GetCount())
		lost = lost || open < s.wanted[k]
	}
	f.got[k] = min(s.wanted[k], open)
	p.strained = p.strained || lost
}

// give notes that a seat of the pool means its services at a node.
func (p *problem) give(i, k int) {
	for _, s := range p.pools[k].services {
		p.given[i*len(p.services)+s] = true
	}
}

// holdsShared: the node serves something for the pool that no seat before means.
// What one does mean will be served for that.
func (p *problem) holdsShared(i, k int) bool {
	n := &p.nodes[i]
	return slices.ContainsFunc(p.pools[k].services, func(s int) bool {
		return n.serves[s] && n.whose[s] == k && !p.given[i*len(p.services)+s]
	})
}

// covered: all of a shared pool is wanted at a node anyhow.
func (p *problem) covered(i, k int) bool {
	for _, s := range p.pools[k].services {
		if !p.given[i*len(p.services)+s] {
			return false
		}
	}
	return true
}

// admitShared says whether a node may be a member of a shared pool. Where it
// serves all of it anyhow, that asks nothing of it.
func (p *problem) admitShared(i, k int) barrier {
	n := &p.nodes[i]
	b := p.admit(n, k)
	if b > watching && b != gone && p.covered(i, k) || b == watching && p.covered(i, k) {
		return free
	}
	return b
}
