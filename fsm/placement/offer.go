package placement

// offers are the nodes without a seat that a pool could take, the cheapest
// first. What a class is offered for may have become dearer since; then it is
// looked at again when it comes up.
type offers struct {
	queue queue
	stale bool // some may have become cheaper
}

// cheapest returns the class whose next node without a seat costs the pool
// least, and what it costs from there to the root of the pool.
func (g *graph) cheapest(k int) (number int, price cost, ok bool) {
	o := &g.offers[k]
	if o.stale {
		o.stale = false
		o.queue.reset()
		if o.queue.cost == nil {
			o.queue = newQueue(len(g.classes))
		}
		for number := range g.classes {
			if price, ok := g.offer(number, k); ok {
				o.queue.push(number, &price)
			}
		}
	}
	for o.queue.len() > 0 {
		number := o.queue.heap[0]
		price, ok := g.offer(number, k)
		switch {
		case !ok:
			o.queue.pop()
		case o.queue.cost[number].less(&price):
			o.queue.pop()
			o.queue.push(number, &price)
		default:
			return number, price, true
		}
	}
	return 0, cost{}, false
}

// offer is what a node of a class without a seat costs a pool.
func (g *graph) offer(number, k int) (price cost, ok bool) {
	c := &g.classes[number]
	at := c.at(k)
	if at < 0 || c.count[len(c.open)] == 0 {
		return cost{}, false
	}
	price = c.costs[at]
	for v := g.leaf[k][c.place]; v != g.root[k]; v = g.vertices[v].parent {
		price[g.vertices[v].part] += g.vertices[v].price(g.vertices[v].count)
	}
	return price, true
}

// at finds a pool in class.open, which is sorted; below zero: it is not there.
func (c *class) at(k int) int {
	low, high := 0, len(c.open)
	for low < high {
		middle := (low + high) / 2
		if c.open[middle] < k {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(c.open) || c.open[low] != k {
		return -1
	}
	return low
}
