package placement

import "slices"

// ruleSet is a set of rules by number.
type ruleSet []uint64

func newRuleSet(rules int) ruleSet { return make(ruleSet, (rules+63)/64) }

func (r ruleSet) put(rule int)      { r[rule/64] |= 1 << (rule % 64) }
func (r ruleSet) drop(rule int)     { r[rule/64] &^= 1 << (rule % 64) }
func (r ruleSet) has(rule int) bool { return r[rule/64]&(1<<(rule%64)) != 0 }

func (r ruleSet) meets(other ruleSet) bool {
	for at := range r {
		if r[at]&other[at] != 0 {
			return true
		}
	}
	return false
}

// supply is nodes that no rule tells apart.
type supply struct {
	nodes   int
	against []ruleSet // by pool: the rules that keep them out
}

// wish is what a pool asks for under the rules that stand.
type wish struct {
	least, most int
	shared      bool
}

// hall decides whether pools can have what they wish for from classes of nodes,
// and if not, which of them together want more than there is for them: there
// are always some (Hall, On representatives of subsets, 1935).
type hall struct {
	fits [][]bool // by class, then pool
	idle []int    // by class
	held [][]int  // by class, then pool
	got  []int    // by pool
}

func newHall(classes []supply, pools int, standing ruleSet) *hall {
	h := &hall{got: make([]int, pools)}
	for _, c := range classes {
		fits := make([]bool, pools)
		for k := range pools {
			fits[k] = !c.against[k].meets(standing)
		}
		h.fits, h.idle, h.held = append(h.fits, fits), append(h.idle, c.nodes), append(h.held, make([]int, pools))
	}
	return h
}

// fill gives every pool its least, and then pools of one service a number
// together. It returns the pools that are in each other's way; none: all is well.
func (h *hall) fill(wishes []wish, of []int, floor int) (rivals []int) {
	for k, w := range wishes {
		switch {
		case w.shared:
			if h.room(k) < w.least {
				return []int{k}
			}
			h.got[k] = min(w.most, h.room(k))
		case w.least > 0:
			if rivals := h.grow(k, w.least); rivals != nil {
				return rivals
			}
		}
	}
	total, reach := 0, 0
	for _, k := range of {
		total += h.got[k]
	}
	for _, k := range of {
		if more := min(floor-total, wishes[k].most-h.got[k]); more > 0 && !wishes[k].shared {
			before := h.got[k]
			rivals = append(rivals, h.grow(k, before+more)...)
			total += h.got[k] - before
		}
	}
	for c := range h.fits {
		if slices.ContainsFunc(of, func(k int) bool { return h.fits[c][k] }) {
			reach += h.idle[c]
			for k := range h.held[c] {
				reach += h.held[c][k]
			}
		}
	}
	if min(total, reach) >= floor {
		return nil
	}
	rivals = append(rivals, of...)
	slices.Sort(rivals)
	return slices.Compact(rivals)
}

// room is the number of nodes that fit a pool.
func (h *hall) room(k int) int {
	n := 0
	for c := range h.fits {
		if h.fits[c][k] {
			n += h.idle[c]
			for r := range h.held[c] {
				n += h.held[c][r]
			}
		}
	}
	return n
}

// grow gives a pool more nodes, as many at a time as a way has. It returns the
// pools that compete for the same ones where there are too few.
func (h *hall) grow(k, to int) (rivals []int) {
	const none = -1
	via, from := make([]int, len(h.got)), make([]int, len(h.fits))
	for h.got[k] < to {
		for r := range via {
			via[r] = none - 1
		}
		for c := range from {
			from[c] = none
		}
		via[k] = none
		queue, end := []int{k}, none
		for at := 0; at < len(queue) && end == none; at++ {
			q := queue[at]
			for c := range h.fits {
				if !h.fits[c][q] || from[c] != none {
					continue
				}
				from[c] = q
				if h.idle[c] > 0 {
					end = c
					break
				}
				for r, n := range h.held[c] {
					if n > 0 && via[r] == none-1 {
						via[r] = c
						queue = append(queue, r)
					}
				}
			}
		}
		if end == none {
			return queue
		}
		amount := min(to-h.got[k], h.idle[end])
		for c := end; from[c] != k; c = via[from[c]] {
			amount = min(amount, h.held[via[from[c]]][from[c]])
		}
		h.idle[end] -= amount
		h.got[k] += amount
		for c := end; ; {
			q := from[c]
			h.held[c][q] += amount
			if q == k {
				break
			}
			c = via[q]
			h.held[c][q] -= amount
		}
	}
	return nil
}
