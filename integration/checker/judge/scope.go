package judge

import (
	"cmp"
	"maps"
	"slices"

	"roster/integration/checker/history"
)

// scope is what a floor is over: a service, everywhere, or on a part of the nodes
// that the log names.
type scope struct{ service, part string }

func (s scope) String() string {
	if s.part == "" {
		return s.service
	}
	return s.service + "@" + s.part
}

// scopes are all that the log has a floor for, in order; each service counts as
// one.
func (l *timeline) scopes() []scope {
	found := map[scope]bool{}
	for service := range l.instances {
		found[scope{service, ""}] = true
	}
	for _, s := range l.floors {
		for _, p := range s.parts {
			found[scope{p.Service, p.Name}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b scope) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.part, b.part))
	})
}

// rule is what holds over a scope at a time.
type rule struct {
	floor int
	// The fewest that a command may leave: the floor, or less where the operator
	// accepted it.
	least int
	// Where it counts; nil: everywhere.
	nodes []string
}

func (r rule) counts(node string) bool { return r.nodes == nil || slices.Contains(r.nodes, node) }

// ruleAt is the rule over a scope at a time.
func (l *timeline) ruleAt(of scope, t float64) rule {
	r := rule{floor: l.floorAt(of, t)}
	if of.part != "" {
		r.nodes = l.partAt(of, t).Nodes
		if r.nodes == nil {
			r.nodes = []string{}
		}
	}
	r.least = r.floor
	since := l.settingAt(t).from
	for _, a := range l.accepted {
		if fewest, named := a.Counts[of.String()]; named && a.T >= since && a.T <= t {
			r.least = min(r.floor, fewest)
		}
	}
	return r
}

// settingAt is the newest setting at a time.
func (l *timeline) settingAt(t float64) (newest setting) {
	for _, s := range l.floors {
		if s.from > t {
			break
		}
		newest = s
	}
	return newest
}

func (l *timeline) partAt(of scope, t float64) history.Part {
	for _, p := range l.settingAt(t).parts {
		if p.Service == of.service && p.Name == of.part {
			return p
		}
	}
	return history.Part{}
}

// floorAt is the floor in force over a scope at a time.
func (l *timeline) floorAt(of scope, t float64) int {
	if of.part != "" {
		return l.partAt(of, t).Floor
	}
	return l.settingAt(t).floors[of.service]
}
