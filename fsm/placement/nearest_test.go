package placement

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// borrowBySight borrows a service as fillUp does, but looks at every lender each
// time.
func (l *lending) borrowBySight(s int) {
	d := &l.demands[s]
	short := d.short()
	var lenders []lender
	for i := range l.nodes {
		if len(short) > 0 && l.refusal(i, s) == free {
			lenders = append(lenders, lender{node: i, near: l.nearness(-1, i, []int{s})})
		}
	}
	before := len(l.loans)
	for _, at := range short {
		x := &d.all[at]
		var away []absence
		for _, from := range l.missing[s] {
			if matches(l.nodes[from.node].Node, x.where) {
				away = append(away, from)
			}
		}
		slices.SortFunc(away, func(a, b absence) int { return Compare(l.nodes[a.node].GetId(), l.nodes[b.node].GetId()) })
		for x.have < x.least {
			from := absence{-1, l.homeOf(s)}
			if len(away) > 0 {
				from = away[min(x.loans, len(away)-1)]
			}
			best := -1
			for i := range lenders {
				one := &lenders[i]
				if one.taken || !matches(l.nodes[one.node].Node, x.where) {
					continue
				}
				l.locateFrom(&one.near, from.node, one.node)
				one.near.covers = d.shortIn(l.nodes[one.node].Node)
				if best < 0 || one.near.compare(&lenders[best].near) < 0 {
					best = i
				}
			}
			if best < 0 {
				break
			}
			one := &lenders[best]
			one.taken = true
			l.add(loan{node: one.node, service: s, pool: l.poolFor(s, one.node, from), reason: l.lentFor(s, x, from.node, one.node, one.near)})
		}
	}
	if len(short) > 1 {
		l.takeBack(d, before)
	}
}

// Only the first of each row is looked at; that is the nearest of all.
func TestTheNearestOfTheFirstIsTheNearestOfAll(t *testing.T) {
	borrowed := 0
	rapid.Check(t, func(t *rapid.T) {
		w := anyPartWorld(t)
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			w.anything(t)
			v := View{Topology: w.top, Nodes: w.nodes, Now: w.now, Floors: w.floors, Parts: w.parts}
			var both [2]*lending
			for at := range both {
				p, err := compile(v)
				if err != nil {
					t.Fatal(err)
				}
				sizes, filled, _, seats := p.decide()
				both[at] = p.lending(v, filled, sizes, seats)
				both[at].keep()
				both[at].standIn()
			}
			rows, sight := both[0], both[1]
			before := len(rows.loans)
			for s := range rows.services {
				rows.fillUp(s)
				sight.borrowBySight(s)
			}
			borrowed += len(rows.loans) - before
			if !reflect.DeepEqual(rows.loans, sight.loans) {
				t.Fatalf("by rows\n%v\nby sight\n%v%s", rows.loans, sight.loans, w.describe())
			}
			w.step()
		}
	})
	if borrowed == 0 {
		t.Error("nothing was borrowed")
	}
}
