package rollout

import (
	"maps"

	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// Plan runs Next forward on a simulated cluster, where starts become ready and
// drains end, until it is done or stuck. Floors in force are advanced as the
// state machine would. Where it is stuck, the shortages say what it waits for.
// The caller sets Basis.
func Plan(v View) *v1.Plan {
	plan, _ := Forward(v)
	return plan
}

// Forward is Plan, and the view that it ends in: the nodes and floors once
// everything that can be done is done.
func Forward(v View) (*v1.Plan, View) {
	p := &v1.Plan{
		Revision: v.Revision, Summary: &v1.PlanSummary{}, Gapless: true, LowestReady: map[string]uint32{},
	}
	if v.Target == nil {
		return p, v
	}
	for _, s := range v.Target.Seats {
		p.Seats = append(p.Seats, proto.CloneOf(s))
	}
	for _, l := range v.Target.Loans {
		p.Loans = append(p.Loans, proto.CloneOf(l))
	}
	for _, s := range v.Target.Shortages {
		p.Shortages = append(p.Shortages, proto.CloneOf(s))
	}
	sim := newSimulation(v)
	for service := range floorTargets(v.Topology) {
		p.LowestReady[service] = sim.ready[service]
	}
	maps.Copy(p.LowestReady, sim.ready)
	for {
		step := Next(sim.view)
		if len(step.Moves) > 0 {
			for _, m := range step.Moves {
				switch {
				case m.GetAction() == v1.Action_ACTION_START:
					p.Summary.Starts++
				case m.GetAction() == v1.Action_ACTION_STOP:
					p.Summary.Stops++
				}
			}
			p.Waves = append(p.Waves, &v1.Wave{Moves: step.Moves})
			before, floors := sim.ready, sim.view.Floors
			sim.commit(step.Moves)
			for service, n := range before {
				if sim.ready[service] < min(floors[service].GetFloor(), n) {
					p.Gapless = false
				}
			}
			sim.lowest(p.LowestReady)
		}
		settled := sim.settle()
		sim.lowest(p.LowestReady)
		if len(step.Moves) > 0 || settled {
			continue
		}
		if !step.Done {
			for _, sentence := range step.Waiting {
				p.Shortages = append(p.Shortages, &v1.Shortage{Reason: sentence})
			}
		}
		return p, sim.view
	}
}
