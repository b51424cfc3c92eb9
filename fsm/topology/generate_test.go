package topology

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	v1 "roster/proto/roster/v1"
)

// awkward are label values that a careless writer would not quote.
var awkward = []string{"a", "yes", "No", "off", "true", "null", "~", "1", "1e3", "0x1f", "2.0", ".5", "12:30", "2024-01-31", "a b", "a: b", "a #b", "- a", "[a]", "{a}", "*a", "&a", "!a", "%a", "@a", `"a"`, "'", `\`, "ü", "яблоко", "?", "-", "...", "---", "a,b", "|", ">", "<<", "="}

func drawLabels(t *rapid.T, what string) map[string]*v1.LabelValues {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"region", "zone", "rack", "on", "Yes", "a/b.c_d-e", "null"}), 0, 3, rapid.ID).Draw(t, what)
	if len(keys) == 0 {
		return nil
	}
	labels := make(map[string]*v1.LabelValues)
	for _, key := range keys {
		labels[key] = &v1.LabelValues{Values: rapid.SliceOfNDistinct(rapid.SampledFrom(awkward), 1, 3, rapid.ID).Draw(t, what+" "+key)}
	}
	return labels
}

func drawDuration(t *rapid.T, what string, least, most int64) *durationpb.Duration {
	return fromMillis(rapid.Int64Range(least, most).Draw(t, what))
}

// drawTopology draws a topology that every rule accepts.
func drawTopology(t *rapid.T) *v1.Topology {
	top := &v1.Topology{Name: rapid.SampledFrom([]string{"a", "yes", "my topology", "1"}).Draw(t, "name")}
	if rapid.Bool().Draw(t, "has cluster") {
		top.Cluster = rapid.SampledFrom([]string{"example-mail", "mail.example.org", "on"}).Draw(t, "cluster")
	}
	weights := rapid.Bool().Draw(t, "weights")
	services := append(KnownServices(), "xmpp", "no")
	var used []string
	for i := range rapid.IntRange(1, 4).Draw(t, "pools") {
		p := &v1.Pool{
			Name:     fmt.Sprintf("p%c", 'a'+i),
			Services: rapid.SliceOfNDistinct(rapid.SampledFrom(services), 1, 3, rapid.ID).Draw(t, "services"),
			Where:    drawLabels(t, "where"),
			Spread:   rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"region", "zone", "rack", "on"}), 0, 3, rapid.ID).Draw(t, "spread"),
			Priority: rapid.Int32Range(-maxPriority, maxPriority).Draw(t, "priority"),
		}
		used = append(used, p.Services...)
		count := rapid.Uint32Range(1, 20).Draw(t, "count")
		p.Shared = i > 0 && rapid.IntRange(0, 3).Draw(t, "shared") == 0
		switch {
		case p.Shared && rapid.Bool().Draw(t, "shared by all"):
			p.Size = &v1.Pool_All{All: true}
		case p.Shared:
			p.Size = &v1.Pool_Count{Count: count}
		case i > 0 && rapid.Bool().Draw(t, "fixed"):
			p.Size = &v1.Pool_Count{Count: count}
		case weights:
			p.Size = &v1.Pool_Weight{Weight: count}
		case i == 0:
			p.Size = &v1.Pool_All{All: true}
		default:
			p.Size = &v1.Pool_Count{Count: count}
		}
		if rapid.Bool().Draw(t, "has min") {
			p.Min = proto.Uint32(rapid.Uint32Range(0, count).Draw(t, "min"))
		}
		if rapid.Bool().Draw(t, "has lend") {
			p.Lend = proto.Bool(rapid.Bool().Draw(t, "lend"))
		}
		if rapid.Bool().Draw(t, "has nodes") {
			p.Nodes = []string{fmt.Sprintf("n%d-[1-40]", i), fmt.Sprintf("extra-%d.example", i)}
			p.Exclude = []string{fmt.Sprintf("n%d-7", i)}
		}
		top.Pools = append(top.Pools, p)
	}
	slices.Sort(used)
	for _, name := range slices.Compact(used) {
		if !slices.Contains(KnownServices(), name) || rapid.Bool().Draw(t, "has entry") {
			s := &v1.Service{Name: name}
			if rapid.Bool().Draw(t, "has floor") {
				s.Floor = proto.Uint32(rapid.Uint32Range(0, 1).Draw(t, "floor"))
			}
			if rapid.Bool().Draw(t, "has drain") {
				s.Drain = drawDuration(t, "drain", minDrain, maxDrain)
			}
			s.Data = v1.Data(rapid.Int32Range(0, 2).Draw(t, "data"))
			s.Floors = drawFloors(t, top, name)
			top.Services = append(top.Services, s)
		}
	}
	if rapid.Bool().Draw(t, "has policy") {
		top.Policy = drawPolicy(t)
	}
	if rapid.Bool().Draw(t, "has survives") {
		top.Survives = &v1.Survives{
			Nodes: rapid.Uint32Range(0, 2).Draw(t, "nodes"), Zones: rapid.Uint32Range(0, 1).Draw(t, "zones"),
			Regions: rapid.Uint32Range(0, 1).Draw(t, "regions"), Members: rapid.Uint32Range(0, 2).Draw(t, "members"),
		}
	}
	return top
}

// drawFloors draws further floors of a service that can hold: over each value of
// a label, or over what one of its pools says of its nodes.
func drawFloors(t *rapid.T, top *v1.Topology, service string) []*v1.Floor {
	var floors []*v1.Floor
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"zone", "region", "on", "a/b.c_d-e"}), 0, 2, rapid.ID).Draw(t, "per") {
		floors = append(floors, &v1.Floor{Min: 1, Per: key})
	}
	if !rapid.Bool().Draw(t, "has where floor") {
		return floors
	}
	for _, p := range top.GetPools() {
		if slices.Contains(p.GetServices(), service) && len(p.GetWhere()) > 0 {
			floor := &v1.Floor{Min: 1, Where: proto.CloneOf(p).GetWhere()}
			if rapid.Bool().Draw(t, "per too") {
				floor.Per = "rack"
			}
			return append(floors, floor)
		}
	}
	return floors
}

func drawPolicy(t *rapid.T) *v1.Policy {
	p := &v1.Policy{
		Repair:    v1.Automation(rapid.Int32Range(0, 3).Draw(t, "repair")),
		Rebalance: v1.Automation(rapid.Int32Range(0, 3).Draw(t, "rebalance")),
	}
	if rapid.Bool().Draw(t, "has shares") {
		p.MaxMoving = &v1.Percent{Value: rapid.Uint32Range(1, 100).Draw(t, "max_moving")}
		p.HoldAbove = &v1.Percent{Value: rapid.Uint32Range(1, 100).Draw(t, "hold_above")}
	}
	if rapid.Bool().Draw(t, "has times") {
		p.DownAfter = drawDuration(t, "down_after", minDownAfter, maxDownAfter)
		p.ReplaceAfter = drawDuration(t, "replace_after", maxDownAfter, maxReplaceAfter)
		p.ReturnAfter = drawDuration(t, "return_after", minReturnAfter, maxReturnAfter)
		p.HoldMax = drawDuration(t, "hold_max", minHoldMax, maxHoldMax)
	}
	if rapid.Bool().Draw(t, "has rollout") {
		p.Rollout = &v1.RolloutPolicy{Canary: rapid.Uint32Range(0, maxCanary).Draw(t, "canary"), OnFail: v1.OnFail(rapid.Int32Range(0, 2).Draw(t, "on_fail"))}
		if rapid.Bool().Draw(t, "has bake") {
			p.Rollout.Bake = drawDuration(t, "bake", minBake, maxBake)
		}
	}
	return p
}
