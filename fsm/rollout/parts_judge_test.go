package rollout

import (
	"maps"
	"slices"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// named: some pool has the service.
func (c *cluster) named(service string) bool {
	return slices.ContainsFunc(c.top.Pools, func(p *v1.Pool) bool { return slices.Contains(p.Services, service) })
}

// liesIn reads labels by the words of the design.
func liesIn(n *v1.Node, where map[string]*v1.LabelValues) bool {
	labels := maps.Clone(n.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["region"], labels["zone"], labels["id"] = n.Region, n.Zone, n.Id
	for key, values := range where {
		if value := labels[key]; value == "" || !slices.Contains(values.Values, value) {
			return false
		}
	}
	return true
}

// judgeParts compares what a wave says is asked of parts with the topology's own
// words, and lets it be in force, as Apply does before it judges the wave.
func (c *cluster) judgeParts(v View, step Step) {
	c.t.Helper()
	pools := map[string]*v1.Pool{}
	for _, p := range c.top.Pools {
		pools[p.Name] = p
	}
	asked := map[string]uint32{}
	for _, s := range c.top.Services {
		for _, f := range s.Floors {
			if f.Per == "" {
				if c.named(s.Name) {
					key := KeyOf(&storev1.FloorInForce{Service: s.Name, Where: f.Where})
					asked[key] = max(asked[key], f.Min)
				}
				continue
			}
			for _, seat := range v.Target.Seats {
				if n := c.node(seat.Node); slices.Contains(pools[seat.Pool].GetServices(), s.Name) && liesIn(n, f.Where) {
					where := maps.Clone(f.Where)
					if where == nil {
						where = map[string]*v1.LabelValues{}
					}
					where[f.Per] = &v1.LabelValues{Values: []string{n.Zone}} // no other key is drawn
					key := KeyOf(&storev1.FloorInForce{Service: s.Name, Where: where})
					asked[key] = max(asked[key], f.Min)
				}
			}
		}
	}
	told := map[string]uint32{}
	for _, p := range step.Parts {
		told[KeyOf(p)] = p.Target
	}
	if !maps.Equal(asked, told) {
		c.t.Fatalf("asked of parts is %v, told is %v", asked, told)
	}
	c.parts = step.Parts
	c.takeStock()
}
