package site

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"roster/integration/cluster"
)

// Duty is one (node, service) as the cluster wants it.
type Duty struct {
	Node, Service, Pool, Wanted string
	Borrowed                    bool
}

// Duties is everything that is assigned, in order.
func (s *Site) Duties() ([]Duty, error) {
	s.t.Helper()
	var list struct {
		Nodes []struct {
			Node        string `json:"node"`
			Assignments []struct {
				Service  string `json:"service"`
				Pool     string `json:"pool"`
				Wanted   string `json:"wanted"`
				Borrowed bool   `json:"borrowed"`
			} `json:"assignments"`
		} `json:"nodes"`
	}
	if err := s.JSON(&list, "assignment", "list"); err != nil {
		return nil, err
	}
	var out []Duty
	for _, n := range list.Nodes {
		for _, a := range n.Assignments {
			out = append(out, Duty{n.Node, a.Service, a.Pool, a.Wanted, a.Borrowed})
		}
	}
	slices.SortFunc(out, func(a, b Duty) int { return strings.Compare(a.Node+"/"+a.Service, b.Node+"/"+b.Service) })
	return out, nil
}

// MustDuties is Duties, asked until it is answered.
func (s *Site) MustDuties() []Duty {
	s.t.Helper()
	var out []Duty
	cluster.Until(s.t, Bound, "list what is assigned", func() (err error) {
		out, err = s.Duties()
		return err
	})
	return out
}

// Same says that everything is assigned as it was, but what else allows.
func (s *Site) Same(before []Duty, allowed func(Duty) bool) error {
	now, err := s.Duties()
	if err != nil {
		return nil //nolint:nilerr // asked again; what is asserted is what is assigned
	}
	var differs []string
	for _, d := range now {
		if !slices.Contains(before, d) && (allowed == nil || !allowed(d)) {
			differs = append(differs, fmt.Sprintf("+%+v", d))
		}
	}
	for _, d := range before {
		if !slices.Contains(now, d) && (allowed == nil || !allowed(d)) {
			differs = append(differs, fmt.Sprintf("-%+v", d))
		}
	}
	if len(differs) > 0 {
		return fmt.Errorf("the assignments changed: %s", strings.Join(differs, ", "))
	}
	return nil
}

// Carriers are the nodes that serve a service, in order.
func Carriers(all []Duty, service string) []string {
	var out []string
	for _, d := range all {
		if d.Service == service && d.Wanted == "serving" {
			out = append(out, d.Node)
		}
	}
	sort.Strings(out)
	return out
}
