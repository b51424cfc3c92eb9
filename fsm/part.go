package fsm

import (
	"fmt"
	"maps"
	"slices"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// maxParts bounds the floors over parts of the nodes: as many as a zone or a rack
// for each node would make, of a few services.
const maxParts = 50_000

// maxFloors is with those over all nodes, of which a topology has 256 at most.
const maxFloors = maxParts + 256

// partKey is what a floor is known by.
func partKey(f *storev1.FloorInForce) string {
	return rollout.FloorKey(f.GetService(), placement.PartName(f.GetWhere()))
}

// over ends a sentence about a floor with the part of the nodes that it is over.
func over(f *storev1.FloorInForce) string {
	if len(f.GetWhere()) == 0 {
		return ""
	}
	return " in " + placement.PartName(f.GetWhere())
}

// demands are the further floors of the services that a topology places.
type demands map[string][]*v1.Floor

func demandsOf(top *v1.Topology) demands {
	var all demands
	for _, s := range top.GetServices() {
		if len(s.GetFloors()) == 0 || !slices.ContainsFunc(top.GetPools(), func(p *v1.Pool) bool { return slices.Contains(p.GetServices(), s.GetName()) }) {
			continue
		}
		if all == nil {
			all = demands{}
		}
		all[s.GetName()] = s.GetFloors()
	}
	return all
}

// of is what is asked of a part of the nodes for a service; 0: nothing asks for
// that part.
func (a demands) of(service string, where map[string]*v1.LabelValues) uint32 {
	var least uint32
	for _, floor := range a[service] {
		if len(where) > 0 && partOf(floor, where) {
			least = max(least, floor.GetMin())
		}
	}
	return least
}

// partOf says whether a further floor may be over just these nodes: those of its
// own `where`, and of one value of the label that it names with `per`.
func partOf(floor *v1.Floor, where map[string]*v1.LabelValues) bool {
	per := floor.GetPer()
	if per == "" {
		return placement.PartName(floor.GetWhere()) == placement.PartName(where)
	}
	value := where[per].GetValues()
	if len(value) != 1 {
		return false
	}
	if own, ok := floor.GetWhere()[per]; ok && !slices.Contains(own.GetValues(), value[0]) {
		return false
	}
	outer := maps.Clone(floor.GetWhere())
	if outer == nil {
		outer = map[string]*v1.LabelValues{}
	}
	outer[per] = where[per]
	return placement.PartName(outer) == placement.PartName(where)
}

// fixed are the floors over parts that follow from the topology alone.
func (a demands) fixed() []*storev1.FloorInForce {
	var parts []*storev1.FloorInForce
	for service, floors := range a {
		for _, floor := range floors {
			if floor.GetPer() == "" && len(floor.GetWhere()) > 0 {
				parts = append(parts, &storev1.FloorInForce{Service: service, Where: floor.GetWhere()})
			}
		}
	}
	return parts
}

// partsUnder is what is asked of parts under a topology: what follows from it, and
// those of the others that it still asks for; each once, with its target.
func partsUnder(top *v1.Topology, others []*storev1.FloorInForce) []*storev1.FloorInForce {
	asked, all := map[string]*storev1.FloorInForce{}, demandsOf(top)
	for _, f := range append(all.fixed(), others...) {
		if target := all.of(f.GetService(), f.GetWhere()); target > 0 {
			asked[partKey(f)] = &storev1.FloorInForce{Service: f.GetService(), Target: target, Where: f.GetWhere()}
		}
	}
	parts := make([]*storev1.FloorInForce, 0, len(asked))
	for _, key := range sortedKeys(asked) {
		parts = append(parts, asked[key])
	}
	return parts
}

// checkParts holds for what a wave says is asked of parts: the topology in force
// asks for each.
func (d *draft) checkParts(parts []*storev1.FloorInForce) error {
	if len(parts) > maxParts {
		return fmt.Errorf("%d floors over parts of the nodes; at most %d", len(parts), maxParts)
	}
	all := demandsOf(d.effective)
	for _, f := range parts {
		if all.of(f.GetService(), f.GetWhere()) == 0 {
			return fmt.Errorf("revision %d asks for no floor of %.80q over %.80q", d.revision(), f.GetService(), placement.PartName(f.GetWhere()))
		}
	}
	return nil
}

// ask sets what is asked of parts of the nodes from now on, and counts what is
// ready in those that are new. It says whether that is anything else than before.
func (d *draft) ask(parts []*storev1.FloorInForce) bool {
	before := d.partsAsked()
	same := len(parts) == len(before)
	for _, f := range parts {
		old := before[partKey(f)]
		same = same && old != nil && old.GetTarget() == f.GetTarget()
	}
	if same {
		return false
	}
	d.ownReady()
	fresh := map[string]*storev1.FloorInForce{}
	for _, f := range parts {
		if key := partKey(f); before[key] == nil {
			fresh[key] = f
		} else {
			d.touch(key)
			delete(before, key)
		}
	}
	for key := range before {
		d.touch(key)
		delete(d.ready, key)
	}
	if len(fresh) > 0 {
		counts := rollout.ReadyCounts(d.nodes.list(nodeKey), fresh)
		for key := range fresh {
			if n := counts[key]; n > 0 {
				d.ready[key] = n
			}
			d.touched[key] = d.ready[key]
		}
	}
	d.asked, d.asks = parts, true
	return true
}

// partsAsked is what is asked of parts now, by key; the map is the caller's.
func (d *draft) partsAsked() map[string]*storev1.FloorInForce {
	parts := map[string]*storev1.FloorInForce{}
	for _, f := range d.partsNow() {
		parts[partKey(f)] = f
	}
	return parts
}

func (d *draft) partsNow() []*storev1.FloorInForce {
	if d.asks {
		return d.asked
	}
	return rollout.PartsOf(d.floors)
}
