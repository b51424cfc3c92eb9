package placement

// flow is a small min-cost flow with convex prices: each unit more through an
// arc costs at least as much as the one before.
type flow struct {
	arcs      []arc
	touching  [][]int // by vertex: arcs that begin or end there
	potential []cost
}

// arc carries up to most units.
type arc struct {
	from, to int
	count    int
	most     int
	node     []nodeAt // what each unit is and costs; nil: priced by vertex
	vertex
}

// nodeAt is a node and what it costs.
type nodeAt struct {
	node int
	cost cost
}

func (f *flow) vertex() int {
	f.touching = append(f.touching, nil)
	f.potential = append(f.potential, cost{})
	return len(f.touching) - 1
}

func (f *flow) arc(a arc) {
	at := len(f.arcs)
	f.arcs = append(f.arcs, a)
	f.touching[a.from] = append(f.touching[a.from], at)
	f.touching[a.to] = append(f.touching[a.to], at)
}

// unit is the price of the unit after count others.
func (a *arc) unit(count int) cost {
	if a.node != nil {
		return a.node[count].cost
	}
	var c cost
	c[a.part] = a.price(count)
	return c
}

// send sends one unit more along the cheapest way.
func (f *flow) send(from, to int) bool {
	arrivals := make([]struct {
		arc           int
		seen, settled bool
	}, len(f.touching))
	queue := newQueue(len(f.touching))
	queue.push(from, &cost{})
	for queue.len() > 0 && !arrivals[to].settled {
		v := queue.pop()
		arrivals[v].settled = true
		here := queue.cost[v]
		here.add(&f.potential[v])
		for _, at := range f.touching[v] {
			a := &f.arcs[at]
			w, c := a.to, here
			switch {
			case a.from == v && a.count < a.most:
				unit := a.unit(a.count)
				c.add(&unit)
			case a.to == v && a.count > 0:
				w = a.from
				unit := a.unit(a.count - 1)
				c.sub(&unit)
			default:
				continue
			}
			c.sub(&f.potential[w])
			if x := &arrivals[w]; w != from && !x.settled && (!x.seen || c.less(&queue.cost[w])) {
				x.arc, x.seen = at, true
				queue.push(w, &c)
			}
		}
	}
	if !arrivals[to].settled {
		return false
	}
	for v := range arrivals {
		if arrivals[v].settled {
			f.potential[v].add(&queue.cost[v])
			f.potential[v].sub(&queue.cost[to])
		}
	}
	for v := to; v != from; {
		a := &f.arcs[arrivals[v].arc]
		if a.to == v {
			a.count++
			v = a.from
		} else {
			a.count--
			v = a.to
		}
	}
	return true
}
