package topology

import (
	"fmt"
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// Bounds of a drain in milliseconds.
const (
	minDrain = 1_000
	maxDrain = 24 * 3_600_000
)

// services checks the entries under `services:`.
func (f *findings) services(t *v1.Topology) {
	var used []string
	for _, pool := range t.GetPools() {
		for _, name := range pool.GetServices() {
			if !slices.Contains(used, name) {
				used = append(used, name)
			}
		}
	}
	seen := make(map[string]bool)
	for i, s := range t.GetServices() {
		at := path{"services"}.item(i)
		name := s.GetName()
		switch {
		case name == "":
			f.add(ruleNamed, at.to("name"), "the service has no name", "write `name: ` and a name")
		case !f.name(name, at.to("name")):
		case seen[name]:
			f.add(ruleEntryOnce, at.to("name"), fmt.Sprintf("the service %s has a second entry%s", name, smtpHint(name)), "make one entry of the two")
		case !slices.Contains(used, name):
			mend := "name it in a pool's services, or take the entry away"
			if near, ok := nearest(name, used); ok {
				mend = fmt.Sprintf("did you mean %s?", near)
			}
			f.add(ruleEntryUsed, at.to("name"), fmt.Sprintf("no pool serves %s", name), mend)
		}
		seen[name] = true
		if s != nil {
			f.service(s, at)
		}
	}
}

func (f *findings) service(s *v1.Service, at path) {
	if s.GetFloor() > maxNodes {
		f.add(ruleFloor, at.to("floor"), fmt.Sprintf("a floor of %d is out of range", s.GetFloor()), fmt.Sprintf("write one from 0 to %d", maxNodes))
	}
	if s.Drain != nil {
		f.bounded(ruleDrain, at.to("drain"), "a drain", s.GetDrain(), minDrain, maxDrain)
	}
	f.labels(s.GetRequires(), at.to("requires"))
	f.word(s.GetData(), at.to("data"))
	if s.GetExclusive() && s.GetFloor() > 1 {
		f.add(ruleExclusive, at.to("floor"), fmt.Sprintf("%s is exclusive, so a floor of %d can never hold", s.GetName(), s.GetFloor()), "write a floor of 0 or 1, or take exclusive away")
	}
	f.parts(s, at.to("floors"))
}

// release refuses what the file can say and this release does not do. To
// ignore it would promise what nobody keeps.
func release(t *v1.Topology) findings {
	var f findings
	refuse := func(at path, what string) {
		key := at[len(at)-1]
		f.addKey(ruleNotBuilt, at, fmt.Sprintf("this release does not build %s yet, so it does not take `%s`", what, key), fmt.Sprintf("take `%s` away; a later release takes it", key))
	}
	for i, s := range t.GetServices() {
		at := path{"services"}.item(i)
		if s.GetExclusive() {
			refuse(at.to("exclusive"), "exclusive services")
		}
		if s.GetTask() {
			refuse(at.to("task"), "background tasks")
		}
	}
	return f
}

func checkCluster(t *v1.Topology, clusterName string) findings {
	var f findings
	if t.GetCluster() != "" && t.GetCluster() != clusterName {
		f.add(ruleCluster, path{"cluster"}, fmt.Sprintf("the file is for the cluster %s, and this is %s", t.GetCluster(), clusterName),
			strings.TrimSpace("check that this is the right file; if it is, write `cluster: "+clusterName+"` or take the line away"))
	}
	return f
}
