package topology

import (
	"fmt"
	"slices"

	v1 "roster/proto/roster/v1"
)

// nodeSet is what a pool's file entry says of the nodes that it may have,
// without knowing which exist.
type nodeSet struct {
	// listed: ids names every node that the pool may have. Else any node may be
	// one, but for the excluded.
	listed   bool
	ids      map[string]bool
	excluded map[string]bool
	where    map[string]*v1.LabelValues
}

// nodeSet checks the lists of ids of a pool and expands them.
func (f *findings) nodeSet(pool *v1.Pool, at path, budget *int) nodeSet {
	set := nodeSet{where: pool.GetWhere()}
	singly := make(map[string]bool)
	set.ids = f.ids(pool.GetNodes(), at.to("nodes"), budget, singly)
	set.listed = len(pool.GetNodes()) > 0
	set.excluded = f.ids(pool.GetExclude(), at.to("exclude"), budget, nil)
	for i, pattern := range pool.GetNodes() {
		// An exclude may take ids away from a range; from a node that is named
		// by itself it takes what the line before gave.
		if singly[pattern] && set.excluded[pattern] {
			f.add(ruleExcluded, at.to("nodes").item(i), fmt.Sprintf("%s names %s under nodes and under exclude", poolTitle(pool), pattern), "keep one of them")
		}
	}
	if values, ok := pool.GetWhere()["id"]; ok {
		wanted := make(map[string]bool)
		for _, id := range values.GetValues() {
			if !set.listed || set.ids[id] {
				wanted[id] = true
			}
		}
		set.ids, set.listed = wanted, true
	}
	for id := range set.excluded {
		delete(set.ids, id)
	}
	return set
}

// ids expands patterns; singly, if not nil, receives those without a range.
func (f *findings) ids(patterns []string, at path, budget *int, singly map[string]bool) map[string]bool {
	if f.tooMany(len(patterns), maxIDPatterns, "entries", at) {
		return nil
	}
	all := make(map[string]bool)
	for i, pattern := range patterns {
		ids, message, mend := expandIDs(pattern)
		switch {
		case message != "" && isRange(pattern):
			f.add(ruleRange, at.item(i), message, mend)
			continue
		case message != "":
			f.add(ruleNodeID, at.item(i), message, mend)
			continue
		}
		if *budget -= len(ids); *budget < 0 {
			f.add(ruleTooMany, at.item(i), fmt.Sprintf("the pools name more than %d node ids altogether", maxAllExpanded), "name nodes by label, with where")
			return all
		}
		if singly != nil && !isRange(pattern) {
			singly[pattern] = true
		}
		for _, id := range ids {
			if all[id] {
				f.add(ruleIDOnce, at.item(i), fmt.Sprintf("%s stands twice in %s", id, at[len(at)-1]), "keep one of them")
				break
			}
			all[id] = true
		}
	}
	return all
}

// apart reports whether no node can ever be in both sets.
func (s nodeSet) apart(o nodeSet) bool {
	for key, values := range s.where {
		other, both := o.where[key]
		if both && !slices.ContainsFunc(values.GetValues(), func(v string) bool { return slices.Contains(other.GetValues(), v) }) {
			return true
		}
	}
	return s.outside(o) || o.outside(s)
}

// within lists the nodes of a set that lie in another; listed is false where
// that may be any.
func (s nodeSet) within(o nodeSet) (ids map[string]bool, listed bool) {
	if !s.listed {
		s, o = o, s
	}
	if !s.listed {
		return nil, false
	}
	ids = make(map[string]bool)
	for id := range s.ids {
		if !o.excluded[id] && (!o.listed || o.ids[id]) {
			ids[id] = true
		}
	}
	return ids, true
}

// outside reports whether every node that s lists is one that o cannot have.
func (s nodeSet) outside(o nodeSet) bool {
	if !s.listed {
		return false
	}
	ids, _ := s.within(o)
	return len(ids) == 0
}
