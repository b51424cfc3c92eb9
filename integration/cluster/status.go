package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Status is what a test reads of `roster status -o json`: the keys that the
// reference promises to scripts. It is written by hand on purpose, so that a
// change of those keys turns tests red.
type Status struct {
	State    string `json:"state"`
	Topology *struct {
		Name     string `json:"name"`
		Revision uint64 `json:"revision"`
	} `json:"topology"`
	Settled  bool `json:"settled"`
	Services map[string]struct {
		Ready        int      `json:"ready"`
		Floor        int      `json:"floor"`
		FloorInForce int      `json:"floor_in_force"`
		Nodes        []string `json:"nodes"`
	} `json:"services"`
	Nodes []struct {
		ID       string   `json:"id"`
		Region   string   `json:"region"`
		Zone     string   `json:"zone"`
		State    string   `json:"state"`
		Cordoned bool     `json:"cordoned"`
		Mode     string   `json:"mode"`
		Services []string `json:"services"`
		Draining []string `json:"draining"`
		Drained  bool     `json:"drained"`
		HandsOff bool     `json:"hands_off"`
	} `json:"nodes"`
	Endpoints []struct {
		Service string `json:"service"`
		Node    string `json:"node"`
		Address string `json:"address"`
		State   string `json:"state"`
	} `json:"endpoints"`
	Members   []StatusMember `json:"members"`
	Sentences []string       `json:"sentences"`
}

// StatusMember is one member in a Status.
type StatusMember struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Address string `json:"address"`
	Leader  bool   `json:"leader"`
	Voter   bool   `json:"voter"`
}

// Ready counts ready nodes by service, services without any left out.
func (s *Status) Ready() map[string]int {
	ready := map[string]int{}
	for name, service := range s.Services {
		if service.Ready > 0 {
			ready[name] = service.Ready
		}
	}
	return ready
}

// Settled revision: nil where the topology of this name is in force and
// nothing is to be moved.
func (s *Status) settledOn(name string) error {
	switch {
	case s.Topology == nil:
		return fmt.Errorf("no topology; %s", s.line())
	case s.Topology.Name != name:
		return fmt.Errorf("topology %s in force, not %s", s.Topology.Name, name)
	case !s.Settled:
		return fmt.Errorf("not settled; %s", s.line())
	default:
		return nil
	}
}

// leader is the address of the member that leads.
func (s *Status) leader() string {
	for _, m := range s.Members {
		if m.Leader {
			return m.Address
		}
	}
	return ""
}

// node is the state of a node, and whether there is such a node.
func (s *Status) node(id string) (state string, ok bool) {
	for _, n := range s.Nodes {
		if n.ID == id {
			return n.State, true
		}
	}
	return "", false
}

// line is the state for a failure message.
func (s *Status) line() string {
	var ready []string
	for name, n := range s.Ready() {
		ready = append(ready, fmt.Sprintf("%s=%d", name, n))
	}
	slices.Sort(ready)
	return fmt.Sprintf("state %s, ready %s: %s", s.State, strings.Join(ready, " "), strings.Join(s.Sentences, " / "))
}
