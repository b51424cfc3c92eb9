package placement

// queue holds vertices, the nearest first.
type queue struct {
	cost  []cost // by vertex: how far it is
	place []int  // by vertex: its place in the heap, from 1; 0: it is not there
	heap  []int
}

func newQueue(vertices int) queue {
	if vertices == 0 {
		return queue{}
	}
	return queue{cost: make([]cost, vertices), place: make([]int, vertices)}
}

func (q *queue) len() int { return len(q.heap) }

func (q *queue) reset() {
	for _, v := range q.heap {
		q.place[v] = 0
	}
	q.heap = q.heap[:0]
}

// push adds a vertex, or brings one nearer that is there.
func (q *queue) push(v int, far *cost) {
	q.cost[v] = *far
	at := q.place[v] - 1
	if at < 0 {
		at = len(q.heap)
		q.heap = append(q.heap, v)
	}
	q.up(at, v)
}

// update adds a vertex, or changes how far it is.
func (q *queue) update(v int, far *cost) {
	at := q.place[v] - 1
	if at < 0 || far.less(&q.cost[v]) {
		q.push(v, far)
		return
	}
	q.cost[v] = *far
	q.down(at, v)
}

// remove takes a vertex out, if it is there.
func (q *queue) remove(v int) {
	at := q.place[v] - 1
	if at < 0 {
		return
	}
	q.place[v] = 0
	last := q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	if last != v {
		q.down(at, last)
		q.up(q.place[last]-1, last)
	}
}

func (q *queue) pop() int {
	top := q.heap[0]
	q.remove(top)
	return top
}

func (q *queue) up(at, v int) {
	for at > 0 {
		above := (at - 1) / 2
		if !q.cost[v].less(&q.cost[q.heap[above]]) {
			break
		}
		q.set(at, q.heap[above])
		at = above
	}
	q.set(at, v)
}

func (q *queue) down(at, v int) {
	for {
		low := 2*at + 1
		if low >= len(q.heap) {
			break
		}
		if low+1 < len(q.heap) && q.cost[q.heap[low+1]].less(&q.cost[q.heap[low]]) {
			low++
		}
		if !q.cost[q.heap[low]].less(&q.cost[v]) {
			break
		}
		q.set(at, q.heap[low])
		at = low
	}
	q.set(at, v)
}

func (q *queue) set(at, v int) {
	q.heap[at], q.place[v] = v, at+1
}
