package fsm

import (
	"fmt"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	storev1 "roster/proto/roster/store/v1"
)

// maxParts bounds the floors over parts of the nodes: as many as a zone or a rack
// for each node would make, of a few services.
const maxParts = 50_000

// maxFloors is with those over all nodes, of which a topology has 256 at most.
const maxFloors = maxParts + 256

// over ends a sentence about a floor with the part of the nodes that it is over.
func over(f *storev1.FloorInForce) string {
	if len(f.GetWhere()) == 0 {
		return ""
	}
	return " in " + placement.PartName(f.GetWhere())
}

// checkParts holds for what a wave says is asked of parts: the topology in force
// asks for each.
func (d *draft) checkParts(parts []*storev1.FloorInForce) error {
	if len(parts) > maxParts {
		return fmt.Errorf("%d floors over parts of the nodes; at most %d", len(parts), maxParts)
	}
	all := rollout.DemandsOf(d.effective)
	for _, f := range parts {
		if all.Of(f.GetService(), f.GetWhere()) == 0 {
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
		old := before[rollout.KeyOf(f)]
		same = same && old != nil && old.GetTarget() == f.GetTarget()
	}
	if same {
		return false
	}
	d.ownReady()
	fresh := map[string]*storev1.FloorInForce{}
	for _, f := range parts {
		if key := rollout.KeyOf(f); before[key] == nil {
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
		parts[rollout.KeyOf(f)] = f
	}
	return parts
}

func (d *draft) partsNow() []*storev1.FloorInForce {
	if d.asks {
		return d.asked
	}
	return rollout.PartsOf(d.floors)
}
