package topology

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// Bounds of what a topology may say.
const (
	// Every member places an applied topology: 200 pools on 1,000 nodes take
	// seconds, 1,000 pools on 10,000 took minutes.
	maxPools        = 200
	maxServices     = 256
	maxPoolServices = 64
	maxLabels       = 32
	maxLabelValues  = 256
	maxIDPatterns   = 20_000
	maxSpread       = 8
	maxNodes        = 100_000
	maxWeight       = 10_000
	maxPriority     = 1_000
	maxCanary       = 10_000
	// What `survives` can promise to be lost at once. Five members, which are the
	// most that decide, bear two.
	maxLostNodes   = 2
	maxLostPlaces  = 1
	maxLostMembers = 2
)

// validate finds what a topology says that cannot be meant. It looks at the
// topology alone, never at nodes that exist.
func validate(t *v1.Topology) findings {
	var f findings
	if t == nil {
		f.add(ruleNamed, nil, "there is no topology", "give one")
		return f
	}
	if t.GetCluster() != "" {
		if message, mend := clusterFault(t.GetCluster()); message != "" {
			f.add(ruleName, path{"cluster"}, message, mend)
		}
	}
	if t.GetName() == "" {
		f.add(ruleNamed, path{"name"}, "the topology has no name", "write `name: ` and a name for people")
	} else if message, mend := titleFault(t.GetName()); message != "" {
		f.add(ruleTitle, path{"name"}, message, mend)
	}
	if len(t.GetPools()) == 0 {
		f.add(ruleHasPools, path{"pools"}, "the topology has no pool", "write at least one under `pools:`")
	}
	if f.tooMany(len(t.GetPools()), maxPools, "pools", path{"pools"}) || f.tooMany(len(t.GetServices()), maxServices, "services", path{"services"}) {
		return f
	}
	sets := f.pools(t)
	f.services(t)
	f.policy(t.GetPolicy())
	f.survives(t.GetSurvives())
	if len(f) == 0 {
		// What can never hold is asked of a topology that is sound otherwise:
		// its answers would only repeat other faults.
		f.alls(t, sets)
		f.holds(t, sets)
		f.requires(t)
	}
	return f
}

func (f *findings) name(name string, at path) bool {
	message, mend := nameFault(name)
	if message != "" {
		f.add(ruleName, at, message, mend)
	}
	return message == ""
}

func (f *findings) tooMany(have, most int, what string, at path) bool {
	if have > most {
		f.add(ruleTooMany, at, fmt.Sprintf("there are %d %s; %d are allowed", have, what, most), "take some away")
	}
	return have > most
}

// pools checks each pool by itself and their names together. It returns the
// set of nodes that each may have.
func (f *findings) pools(t *v1.Topology) []nodeSet {
	sets := make([]nodeSet, len(t.GetPools()))
	names := make(map[string]int)
	looks := make(map[string]int)
	budget := maxAllExpanded
	for i, pool := range t.GetPools() {
		at := path{"pools"}.item(i)
		if pool == nil {
			f.add(ruleNamed, at, "the pool is empty", "give it a name, services and a size")
			continue
		}
		f.poolName(t, i, names, looks, at)
		f.poolServices(t, pool, at)
		f.poolSize(pool, at)
		f.labels(pool.GetWhere(), at.to("where"))
		f.spread(pool.GetSpread(), at.to("spread"))
		if pool.GetPriority() > maxPriority || pool.GetPriority() < -maxPriority {
			f.add(rulePriority, at.to("priority"), fmt.Sprintf("the priority %d is out of range", pool.GetPriority()), fmt.Sprintf("write one from %d to %d", -maxPriority, maxPriority))
		}
		sets[i] = f.nodeSet(pool, at, &budget)
	}
	return sets
}

func (f *findings) poolName(t *v1.Topology, i int, names, looks map[string]int, at path) {
	name := t.GetPools()[i].GetName()
	if name == "" {
		f.add(ruleNamed, at.to("name"), "the pool has no name", "write `name: ` and a name")
		return
	}
	if !f.name(name, at.to("name")) {
		return
	}
	if first, dup := names[name]; dup {
		f.add(ruleNameOnce, at.to("name"), fmt.Sprintf("the pool name %s stands twice: pools %d and %d of the file have it", name, first+1, i+1), "give one of them another name, or make one pool of the two")
		return
	}
	names[name] = i
	if first, dup := looks[skeleton(name)]; dup {
		f.add(ruleLookAlike, at.to("name"), fmt.Sprintf("the pool name %s is hard to tell from %s", name, t.GetPools()[first].GetName()), "give one of them a name that looks different")
		return
	}
	looks[skeleton(name)] = i
}

func (f *findings) poolServices(t *v1.Topology, pool *v1.Pool, at path) {
	at = at.to("services")
	services := pool.GetServices()
	if len(services) == 0 {
		f.add(ruleHasServices, at, fmt.Sprintf("%s serves nothing", poolTitle(pool)), "write `services: [imap]`, or take the pool away")
		return
	}
	if f.tooMany(len(services), maxPoolServices, "services in a pool", at) {
		return
	}
	for i, name := range services {
		if slices.Contains(services[:i], name) {
			f.add(ruleServiceOnce, at.item(i), fmt.Sprintf("%s names %s twice%s", poolTitle(pool), name, smtpHint(name)), "keep one of them")
			continue
		}
		if f.name(name, at.item(i)) {
			f.known(t, name, at.item(i))
		}
	}
}

// known refuses a service that is neither known nor declared: it is a slip
// more often than a new service.
func (f *findings) known(t *v1.Topology, name string, at path) {
	known := KnownServices()
	if slices.Contains(known, name) || slices.ContainsFunc(t.GetServices(), func(s *v1.Service) bool { return s.GetName() == name }) {
		return
	}
	mend := fmt.Sprintf("declare it under `services:` as {name: %s}; known without that are %s", name, strings.Join(known, ", "))
	if name == bothSMTP {
		mend = "write " + strings.Join(smtpServices, " and ")
	} else if near, ok := nearest(name, append(known, bothSMTP)); ok {
		mend = fmt.Sprintf("did you mean %s? A service of your own is declared under `services:` as {name: %s}", near, name)
	}
	f.add(ruleKnown, at, fmt.Sprintf("the service %s is not known", name), mend)
}

func (f *findings) poolSize(pool *v1.Pool, at path) {
	switch size := pool.GetSize().(type) {
	case nil:
		f.add(ruleOneSize, at, fmt.Sprintf("%s has no size", poolTitle(pool)), "write one of `count: 2`, `weight: 1` or `all: true`")
	case *v1.Pool_Count:
		if size.Count < 1 || size.Count > maxNodes {
			f.add(ruleSize1, at.to("count"), fmt.Sprintf("a count of %d is out of range", size.Count), fmt.Sprintf("write one from 1 to %d, or take the pool away", maxNodes))
		} else if pool.GetMin() > size.Count {
			f.add(ruleMin, at.to("min"), fmt.Sprintf("%s may not have fewer than %d members, but has %d at most", poolTitle(pool), pool.GetMin(), size.Count), "raise count or lower min")
		}
	case *v1.Pool_Weight:
		if size.Weight < 1 || size.Weight > maxWeight {
			f.add(ruleSize1, at.to("weight"), fmt.Sprintf("a weight of %d is out of range", size.Weight), fmt.Sprintf("write one from 1 to %d, or take the pool away", maxWeight))
		} else if pool.GetShared() {
			f.add(ruleSharedSize, at.to("weight"), fmt.Sprintf("%s is shared, so it takes no node away that a weight could be a share of", poolTitle(pool)), "write `count` or `all: true` instead, or take `shared` away")
		}
	case *v1.Pool_All:
		if !size.All {
			f.add(ruleSize1, at.to("all"), "`all: false` is no size", "write `all: true`, or `count` or `weight` instead")
		}
	}
	if pool.GetMin() > maxNodes {
		f.add(ruleMin, at.to("min"), fmt.Sprintf("a min of %d is out of range", pool.GetMin()), fmt.Sprintf("write one from 0 to %d", maxNodes))
	}
}

// labels checks a `where` or a `requires`.
func (f *findings) labels(labels map[string]*v1.LabelValues, at path) {
	if f.tooMany(len(labels), maxLabels, "labels", at) {
		return
	}
	for _, key := range sortedKeys(labels) {
		below := at.to(key)
		if message, mend := labelKeyFault(key); message != "" {
			f.addKey(ruleLabelKey, below, message, mend)
		}
		values := labels[key].GetValues()
		if len(values) == 0 {
			f.add(ruleWhere, below, fmt.Sprintf("the label %s has no value, so no node can match", show(key)), "write the values that match, or take the label away")
		}
		if f.tooMany(len(values), maxLabelValues, "values of a label", below) {
			continue
		}
		for i, value := range values {
			if message, mend := labelValueFault(value); message != "" {
				f.add(ruleLabelValue, below.item(i), message, mend)
			} else if slices.Contains(values[:i], value) {
				f.add(ruleWhere, below.item(i), fmt.Sprintf("the value %s stands twice", show(value)), "keep one of them")
			}
		}
	}
}

func (f *findings) spread(keys []string, at path) {
	if f.tooMany(len(keys), maxSpread, "labels to spread over", at) {
		return
	}
	for i, key := range keys {
		if message, mend := labelKeyFault(key); message != "" {
			f.add(ruleLabelKey, at.item(i), message, mend)
		} else if slices.Contains(keys[:i], key) {
			f.add(ruleSpread, at.item(i), fmt.Sprintf("the label %s stands twice in spread", key), "keep one of them, outer labels first")
		}
	}
}

func poolTitle(pool *v1.Pool) string {
	if pool.GetName() == "" {
		return "the pool"
	}
	return "pool " + pool.GetName()
}

// smtpHint explains a repetition that the file does not show.
func smtpHint(name string) string {
	if slices.Contains(smtpServices, name) {
		return " (smtp stands for smtp-inbound and smtp-outbound)"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
