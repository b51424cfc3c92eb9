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
		switch {
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
			top.Services = append(top.Services, s)
		}
	}
	if rapid.Bool().Draw(t, "has policy") {
		top.Policy = drawPolicy(t)
	}
	return top
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
	return p
}
