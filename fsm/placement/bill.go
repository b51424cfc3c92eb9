package placement

import (
	"fmt"
	"maps"
	"slices"

	v1 "roster/proto/roster/v1"
)

// bill adds up what a choice of the members of some pools costs.
func (p *problem) bill(pools []int, at []int) cost {
	var sum cost
	for i, k := range at {
		if !slices.Contains(pools, k) {
			continue
		}
		c := p.memberCost(i, k)
		sum.add(&c)
	}
	for _, k := range pools {
		for _, q := range p.pools[k].quotas {
			sum[partWishes] += wishFloor * q.lacks(k, at)
		}
		for _, level := range p.pools[k].spread {
			part, unit := spreadPart(level)
			for _, n := range p.spreadOver(k, level, at) {
				sum[part] += unit * int64(n) * int64(n)
			}
		}
	}
	return sum
}

// spreadOver counts the members of a pool over the values of a spread key.
func (p *problem) spreadOver(k, level int, at []int) map[string]int {
	counts := map[string]int{}
	for i := range at {
		if at[i] == k {
			counts[spreadValue(p.nodes[i].Node, p.pools[k].GetSpread(), level)]++
		}
	}
	return counts
}

// comparison says what is worse about the choice that has the node in a pool.
func (x *explaining) comparison(k int, pools, at, forced []int) string {
	const fits = "it fits, but "
	if forced == nil || forced[x.node] != k {
		return fits + "nodes that only observe keep their seats"
	}
	now, then := x.bill(pools, at), x.bill(pools, forced)
	then.sub(&now)
	for part, more := range then {
		if more == 0 {
			continue
		}
		if more < 0 {
			break
		}
		switch {
		case part == partMembers:
			return fits + x.membersText(more)
		case part == partWishes && more >= wishOther:
			return fits + "the rollout is walked back to those who had the seats when it began"
		case part == partWishes:
			return fits + x.floorText(pools, at, forced)
		case part < partChanges:
			return fits + x.spreadText(pools, part, at, forced)
		case part == partChanges && more >= changeStart:
			return fits + "it would take " + amount(int(more/changeStart), "more start")
		case part == partChanges:
			return fits + "it would restart " + amount(int(more), "more service")
		case part == partHands && more >= changeUndrain:
			return fits + "it would call off " + amount(int(more/changeUndrain), "more drain")
		case part == partHands:
			return fits + amount(int(more), "more seat") + " would change hands"
		}
		break
	}
	return fits + x.rankText(k, at, forced)
}

func (x *explaining) membersText(more int64) string {
	switch {
	case more >= memberMoved/2:
		return "nodes that only observe keep their seats"
	case more >= memberNew/2:
		return "while seats are open or gone, members stay where they are"
	}
	return "nodes that are up and not cordoned come before it"
}

// floorText names a floor over a part of the nodes that would lack members.
func (x *explaining) floorText(pools, at, forced []int) string {
	for _, k := range pools {
		for _, q := range x.pools[k].quotas {
			if q.lacks(k, forced) > q.lacks(k, at) {
				return "the " + q.floor + " would not be covered"
			}
		}
	}
	return "a floor over a part of the nodes would not be covered"
}

// spreadText names a place that would be too crowded.
func (x *explaining) spreadText(pools []int, part int, at, forced []int) string {
	for _, k := range pools {
		for _, level := range x.pools[k].spread {
			if of, _ := spreadPart(level); of != part {
				continue
			}
			before, after := x.spreadOver(k, level, at), x.spreadOver(k, level, forced)
			if squares(after) <= squares(before) {
				continue
			}
			worst, all := "", 0
			for _, value := range slices.Sorted(maps.Keys(after)) {
				all += after[value]
				if after[value] > before[value] && (worst == "" || after[value] > after[worst]) {
					worst = value
				}
			}
			key := x.pools[k].GetSpread()[level]
			name := "nodes without " + key
			if worst[0] == '=' {
				name = key + " " + worst[1:]
			}
			return fmt.Sprintf("%s would have %d of the %s of pool %s", name, after[worst], amount(all, "member"), x.pools[k].GetName())
		}
	}
	return "the spread would be worse"
}

func squares(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n * n
	}
	return sum
}

// rankText says what comes first where all else is equal.
func (x *explaining) rankText(k int, at, forced []int) string {
	for i := range at {
		if at[i] != k || forced[i] == k {
			continue
		}
		n := x.nodes[i].Node
		if bucket(n) > bucket(x.nodes[x.node].Node) {
			return n.GetId() + " has greater capacity"
		}
		if i < x.node {
			return n.GetId() + " comes first by id"
		}
	}
	return "other nodes come first by capacity and id"
}

func sortedKeys(where map[string]*v1.LabelValues) []string {
	return slices.Sorted(maps.Keys(where))
}
