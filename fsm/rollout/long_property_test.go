package rollout

import (
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// byService is what each wave does with each service; waves that leave it alone
// are left out.
func byService(waves [][]*v1.Move) map[string][]string {
	out := map[string][]string{}
	for _, w := range waves {
		mine := map[string][]*v1.Move{}
		for _, m := range w {
			mine[m.Service] = append(mine[m.Service], m)
		}
		for service, moves := range mine {
			out[service] = append(out[service], write(moves))
		}
	}
	return out
}

// However long drains take: what is done with each service is what was announced,
// step by step, though other services may be ahead or behind.
func TestHoweverLongDrainsTakeEachServiceMovesAsAnnounced(t *testing.T) {
	overtaken := 0
	rapid.Check(t, func(t *rapid.T) {
		c := start(t, rapid.SampledFrom([]groups{noGroup, noGroup, someGroup}).Draw(t, "groups"))
		c.bound = 30 * time.Minute
		top := anyFloors(t, c, anyTopology(t))
		for _, s := range top.Services {
			s.Drain = durationpb.New(c.bound)
		}
		c.adopt(top)
		c.restraints = Restraints{Open: true, AcceptGap: true}
		c.pin = c.place()
		plan, before := Plan(c.view()), len(c.waves)
		ends := map[instance]time.Time{}
		for range 5000 {
			step := c.step()
			for _, m := range step.Moves {
				if m.Action == v1.Action_ACTION_DRAIN {
					ends[instance{m.Node, m.Service}] = c.now.Add(time.Duration(rapid.IntRange(0, 1800).Draw(t, "drain")) * time.Second)
				}
			}
			settled := false
			for _, n := range c.nodes {
				for _, a := range n.Assignments {
					switch state := reported(n, a.Service); {
					case a.Wanted == v1.Wanted_WANTED_SERVING && state != v1.ServiceState_SERVICE_STATE_SERVING:
						c.report(n, a.Service, v1.ServiceState_SERVICE_STATE_SERVING)
					case state == v1.ServiceState_SERVICE_STATE_DRAINING && !c.now.Before(ends[instance{n.Id, a.Service}]):
						c.report(n, a.Service, v1.ServiceState_SERVICE_STATE_DRAINED)
					default:
						continue
					}
					settled = true
				}
			}
			c.takeStock()
			if len(step.Moves) > 0 || settled {
				continue
			}
			if step.Done {
				break
			}
			c.now = c.now.Add(20 * time.Second)
		}
		c.mustEnd(c.step())
		var announced [][]*v1.Move
		for _, w := range plan.Waves {
			announced = append(announced, WaveMoves(w))
		}
		want, got := byService(announced), byService(c.waves[before:])
		if !maps.EqualFunc(want, got, slices.Equal) {
			t.Fatalf("announced was %v, came %v\n%s", want, got, c.story())
		}
		if len(c.waves)-before != len(announced) {
			overtaken++
		}
	})
	if overtaken == 0 {
		t.Errorf("nobody ever overtook a drain")
	}
}
