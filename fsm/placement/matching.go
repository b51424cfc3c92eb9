package placement

// matching keeps a set of seats that nodes can hold all at once, and grows it
// by one seat at a time. Nodes that fit the same pools are one class, so the
// work does not grow with their number.
//
// A seat that can be added together with all seats given before is always
// found, because a node may be passed on: if pool a may use nodes 1 and 2, and
// pool b only node 1, then a makes way for b. A pool that has got a seat never
// loses it again.
type matching struct {
	fits  [][]bool // by class, then pool
	idle  []int    // nodes of a class that hold no seat
	held  [][]int  // by class, then pool: nodes that hold a seat there
	got   []int    // by pool
	bound int      // pools

	// The rest is for fillHeld alone.
	free    [][]bool // by class, then pool: nodes of it may be members
	holds   [][]bool // by class, then pool: they are, and live
	settled [][]int  // by class, then pool: nodes that keep their seats there
}

// newMatching classes nodes by the pools that they are open to.
func newMatching(p *problem, open func(n *nodeFacts, pool int) bool) *matching {
	m := &matching{got: make([]int, p.own), bound: p.own}
	m.fits = m.class(p, p.own, open)
	return m
}

// newHolding classes nodes by the pools that they are open to, and by those
// that they hold a seat of. No pool fits any of them until only says so.
func newHolding(p *problem) *matching {
	m := &matching{got: make([]int, p.own), bound: p.own}
	for _, flags := range m.class(p, 2*p.own, func(n *nodeFacts, at int) bool {
		k := at % p.own
		return n.barrier[k] == free && (at < p.own || n.holds[k])
	}) {
		m.free, m.holds = append(m.free, flags[:p.own]), append(m.holds, flags[p.own:])
		m.fits = append(m.fits, make([]bool, p.own))
		m.settled = append(m.settled, make([]int, p.own))
	}
	return m
}

// class counts the nodes that a number of flags do not tell apart, and returns
// the flags of each class.
func (m *matching) class(p *problem, width int, flag func(n *nodeFacts, at int) bool) [][]bool {
	var all [][]bool
	classes := map[string]int{}
	signature := make([]byte, (width+7)/8)
	for i := range p.nodes {
		clear(signature)
		for at := range width {
			if flag(&p.nodes[i], at) {
				signature[at/8] |= 1 << (at % 8)
			}
		}
		class, known := classes[string(signature)]
		if !known {
			class = len(m.idle)
			classes[string(signature)] = class
			flags := make([]bool, width)
			for at := range flags {
				flags[at] = signature[at/8]&(1<<(at%8)) != 0
			}
			all = append(all, flags)
			m.idle = append(m.idle, 0)
			m.held = append(m.held, make([]int, p.own))
		}
		m.idle[class]++
	}
	return all
}

// only says which classes a pool may use from now on.
func (m *matching) only(pool int, classes [][]bool) {
	for c := range classes {
		m.fits[c][pool] = classes[c][pool]
	}
}

// settle lets the members of a pool be passed on to no other.
func (m *matching) settle(pool int) {
	for c := range m.held {
		m.settled[c][pool] += m.held[c][pool]
		m.held[c][pool] = 0
	}
}

// rivals are the pools whose members a pool could use.
func (m *matching) rivals(pool int) []int {
	var rivals []int
	for r := range m.bound {
		for c := range m.free {
			if m.free[c][pool] && m.held[c][r]+m.settled[c][r] > 0 {
				rivals = append(rivals, r)
				break
			}
		}
	}
	return rivals
}

// grow gives a pool one more seat. Where that cannot be, it returns the pools
// that compete for the same nodes, this one among them: all nodes that any of
// them could use hold a seat in one of them.
func (m *matching) grow(pool int) (rivals []int, ok bool) {
	const none = -1
	via := make([]int, m.bound)      // class through which a pool was reached
	from := make([]int, len(m.idle)) // pool from which a class was reached
	seen := make([]bool, m.bound)
	for c := range from {
		from[c] = none
	}
	seen[pool], via[pool] = true, none
	rivals = append(rivals, pool)
	for at := 0; at < len(rivals); at++ {
		q := rivals[at]
		for c := range m.fits {
			if !m.fits[c][q] || from[c] != none {
				continue
			}
			from[c] = q
			if m.idle[c] > 0 {
				m.pass(pool, c, from, via)
				return nil, true
			}
			for r, n := range m.held[c] {
				if n > 0 && !seen[r] {
					seen[r], via[r] = true, c
					rivals = append(rivals, r)
				}
			}
		}
	}
	return rivals, false
}

// pass moves one node along the way that grow found, from the end back.
func (m *matching) pass(pool, class int, from, via []int) {
	m.idle[class]--
	m.got[pool]++
	for {
		q := from[class]
		m.held[class][q]++
		if q == pool {
			return
		}
		class = via[q]
		m.held[class][q]--
	}
}
