package whatif_test

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"roster/fsm/placement"
	"roster/fsm/rollout"
	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

// hypothetical is the same cluster, for what-if.
func (w *world) hypothetical() *whatif.Cluster {
	return &whatif.Cluster{Topology: w.top, Nodes: cloned(w.nodes), Floors: w.floors, Now: w.now, Restraints: w.restraints(), Revision: w.revision}
}

// counts says which nodes count for a floor, by its key.
func (w *world) counts(keep func(n *v1.Node, service string) bool) map[string]int {
	out := map[string]int{}
	for _, n := range w.nodes {
		for _, a := range n.GetAssignments() {
			if !keep(n, a.GetService()) {
				continue
			}
			out[a.GetService()]++
			for key, f := range w.floors {
				if f.GetService() == a.GetService() && len(f.GetWhere()) > 0 && placement.Matches(n, f.GetWhere()) {
					out[key]++
				}
			}
		}
	}
	return out
}

// ready counts what the cluster counts.
func (w *world) ready() map[string]int {
	return w.counts(func(n *v1.Node, service string) bool {
		return n.GetState() != v1.NodeState_NODE_STATE_DOWN && w.wanted(n, service) == v1.Wanted_WANTED_SERVING &&
			w.reported(n, service) == v1.ServiceState_SERVICE_STATE_SERVING
	})
}

// answering counts what somebody outside would find.
func (w *world) answering() map[string]int {
	return w.counts(func(n *v1.Node, service string) bool {
		state := w.reported(n, service)
		return w.lit(n.GetId()) && (state == v1.ServiceState_SERVICE_STATE_SERVING || state == v1.ServiceState_SERVICE_STATE_DRAINING)
	})
}

func (w *world) inForce() map[string]int {
	out := map[string]int{}
	for key, f := range w.floors {
		out[key] = int(f.GetFloor())
	}
	return out
}

// announced is the plan for the cluster as it is, under the topology in force or a
// new one.
func (w *world) announced(top *v1.Topology) (*v1.Plan, error) {
	w.advance()
	return w.hypothetical().Plan(top)
}

// mustBeAsAnnounced holds what happened against the plan. What waits for time to
// pass, as a canary does, has not happened yet.
func (w *world) mustBeAsAnnounced(plan *v1.Plan, before map[string]int, happened rest) {
	w.t.Helper()
	waits := w.canary != nil
	if len(plan.GetWaves()) < len(happened.waves) || len(plan.GetWaves()) > len(happened.waves) && !waits {
		w.t.Errorf("%d waves were announced, %d happened", len(plan.GetWaves()), len(happened.waves))
		return
	}
	lowest := maps.Clone(before)
	for i, one := range happened.waves {
		announced := plan.GetWaves()[i]
		if a, b := short(rollout.WaveMoves(announced)), short(one.moves); !slices.Equal(a, b) {
			w.t.Errorf("wave %d: %v was announced, %v happened", i+1, a, b)
		}
		for _, r := range announced.GetReady() {
			key := rollout.FloorKey(r.GetService(), r.GetPart())
			asHoped := int(r.GetSettled()) == one.settled[key] || len(w.broken) > 0 // in a plan everything works
			if int(r.GetCommitted()) != one.committed[key] || !asHoped || int(r.GetFloor()) != one.floors[key] {
				w.t.Errorf("wave %d leaves %d, then %d %s, floor %d; announced was %v", i+1, one.committed[key], one.settled[key], key, one.floors[key], r)
			}
		}
		for _, counts := range []map[string]int{one.committed, one.settled} {
			for key := range lowest {
				lowest[key] = min(lowest[key], counts[key])
			}
		}
	}
	for key, n := range plan.GetLowestReady() {
		if was, known := lowest[key]; known && was != int(n) && !waits {
			w.t.Errorf("the lowest of %s is said to be %d, and was %d", key, n, was)
		}
	}
}

func short(moves []*v1.Move) (out []string) {
	for _, m := range moves {
		out = append(out, fmt.Sprintf("%s %s %s for %s", actionWord(m.GetAction()), m.GetService(), m.GetNode(), m.GetPool()))
	}
	slices.Sort(out)
	return out
}

func cloned(nodes []*v1.Node) []*v1.Node {
	out := make([]*v1.Node, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, proto.CloneOf(n))
	}
	return out
}
