package placement

// queue holds vertices, the nearest first. A vertex that comes nearer is pushed
// again and moves up.
type queue struct {
	cost  []cost // by vertex: how far it is
	place []int  // by vertex: its place in the heap, from 1; 0: it is not there
	heap  []int
}

func newQueue(vertices int) queue {
	return queue{cost: make([]cost, vertices), place: make([]int, vertices)}
}

func (q *queue) len() int { return len(q.heap) }

func (q *queue) reset() {
	for _, v := range q.heap {
		q.place[v] = 0
	}
	q.heap = q.heap[:0]
}

func (q *queue) push(v int, far *cost) {
	q.cost[v] = *far
	i := q.place[v] - 1
	if i < 0 {
		i = len(q.heap)
		q.heap = append(q.heap, v)
	}
	for i > 0 {
		up := (i - 1) / 2
		if !far.less(&q.cost[q.heap[up]]) {
			break
		}
		q.set(i, q.heap[up])
		i = up
	}
	q.set(i, v)
}

func (q *queue) pop() int {
	top := q.heap[0]
	q.place[top] = 0
	last := len(q.heap) - 1
	v := q.heap[last]
	q.heap = q.heap[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		low := 2*i + 1
		if low >= last {
			break
		}
		if low+1 < last && q.cost[q.heap[low+1]].less(&q.cost[q.heap[low]]) {
			low++
		}
		if !q.cost[q.heap[low]].less(&q.cost[v]) {
			break
		}
		q.set(i, q.heap[low])
		i = low
	}
	q.set(i, v)
	return top
}

func (q *queue) set(i, v int) {
	q.heap[i], q.place[v] = v, i+1
}
