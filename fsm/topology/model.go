package topology

import (
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// MixedModel is what Model says of a topology that is none of the five.
const MixedModel = "mixed"

// Model is the model that a topology has by its structure alone: one of Models,
// else MixedModel. Names, sizes, floors, policy and the order of pools do not
// matter. A topology with a shared pool is mixed.
//
// Geographic is one whose pools each belong to one region, with two regions or
// more that do not all have the same pools. The others have exactly the pools of
// their preset, none of them bound to a region.
func Model(t *v1.Topology) string {
	pools := t.GetPools()
	if len(pools) == 0 || slices.ContainsFunc(pools, (*v1.Pool).GetShared) {
		return MixedModel
	}
	if slices.ContainsFunc(pools, boundToRegion) {
		if isGeographic(pools) {
			return geographic
		}
		return MixedModel
	}
	shape := shapeOf(pools)
	for _, b := range blueprints {
		if b.model == geographic {
			continue
		}
		like := make([]*v1.Pool, len(b.pools))
		for i, m := range b.pools {
			like[i] = &v1.Pool{Services: m.services}
		}
		if slices.Equal(shape, shapeOf(like)) {
			return b.model
		}
	}
	return MixedModel
}

// shapeOf is what the pools serve, in an order of its own.
func shapeOf(pools []*v1.Pool) []string {
	shape := make([]string, len(pools))
	for i, p := range pools {
		names, _ := expandNames(p.GetServices(), nil)
		shape[i] = strings.Join(slices.Sorted(slices.Values(names)), " ")
	}
	slices.Sort(shape)
	return shape
}

func boundToRegion(p *v1.Pool) bool {
	_, bound := p.GetWhere()["region"]
	return bound
}

// isGeographic says whether regions have their own mixes, one of them a
// different one.
func isGeographic(pools []*v1.Pool) bool {
	regions := make(map[string][]*v1.Pool)
	for _, p := range pools {
		values := p.GetWhere()["region"].GetValues()
		if len(values) != 1 {
			return false
		}
		regions[values[0]] = append(regions[values[0]], p)
	}
	shapes := make(map[string]bool)
	for _, region := range regions {
		shapes[strings.Join(shapeOf(region), ", ")] = true
	}
	return len(regions) > 1 && len(shapes) > 1
}
