package placement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// failer is a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// world is a cluster over time: it does at once whatever a target says, and its
// nodes serve at once whatever they are asked to.
type world struct {
	t      failer
	top    *v1.Topology
	nodes  []*v1.Node
	floors map[string]uint32
	parts  []Part
	now    time.Time
	frozen map[string]bool // nodes that the operator keeps Roster off
	freed  bool            // the last step took a service away that failed
}

// newWorld serves a topology on nodes that are all up. Every service that a pool
// names has the floor 1.
func newWorld(t failer, top *v1.Topology, nodes []*v1.Node) *world {
	t.Helper()
	if top.Policy == nil {
		top.Policy = &v1.Policy{}
	}
	for _, d := range []struct {
		at    **durationpb.Duration
		value time.Duration
	}{
		{&top.Policy.DownAfter, 10 * time.Second}, {&top.Policy.ReplaceAfter, 5 * time.Minute}, {&top.Policy.ReturnAfter, time.Minute},
	} {
		if *d.at == nil {
			*d.at = durationpb.New(d.value)
		}
	}
	w := &world{t: t, top: top, nodes: nodes, floors: map[string]uint32{}, frozen: map[string]bool{}, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, p := range top.Pools {
		for _, s := range p.Services {
			w.floors[s] = 1
		}
	}
	w.apply(w.place())
	w.pass(time.Hour)
	return w
}

func (w *world) place() *Target {
	w.t.Helper()
	target, err := Place(View{
		Topology: w.top, Nodes: w.nodes, Now: w.now, Floors: w.floors, Parts: w.parts,
		Frozen: func(n *v1.Node) bool { return w.frozen[n.GetId()] },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return target
}

// step places, and does what the target says.
func (w *world) step() *Target {
	w.t.Helper()
	w.freed = false
	target := w.place()
	w.apply(target)
	return target
}

// apply writes the records as a whole rollout would: what is wanted is there,
// what is not is gone; on a node that is down only the seat changes hands.
func (w *world) apply(target *Target) {
	wanted, loaned := target.Wanted(w.top), target.Loaned()
	for i, n := range w.nodes {
		n = proto.CloneOf(n)
		w.nodes[i] = n
		seats, loans := wanted[n.Id], loaned[n.Id]
		var set []*v1.Assignment
		for _, a := range n.Assignments {
			pool, kept := seats[a.Service]
			loan, lent := loans[a.Service]
			switch {
			case kept && (n.State != v1.NodeState_NODE_STATE_DOWN || pool == a.Pool):
				a.Pool, a.Borrowed, a.Wanted = pool, false, v1.Wanted_WANTED_SERVING
			case n.State == v1.NodeState_NODE_STATE_DOWN:
				a.Borrowed = a.Borrowed || !kept
			case lent:
				a.Pool, a.Borrowed, a.Wanted = loan, true, v1.Wanted_WANTED_SERVING
			default:
				if reportOf(n, a.Service).GetState() != v1.ServiceState_SERVICE_STATE_SERVING {
					w.trouble(n, a.Service)
				}
				continue
			}
			set = append(set, a)
		}
		n.Assignments = set
		if n.State == v1.NodeState_NODE_STATE_UP && !n.Settings.Cordoned {
			for _, want := range []map[string]string{seats, loans} {
				for service, pool := range want {
					if assignmentOf(n, service) == nil {
						n.Assignments = append(n.Assignments, &v1.Assignment{
							Service: service, Node: n.Id, Pool: pool, Wanted: v1.Wanted_WANTED_SERVING, Since: timestamppb.New(w.now),
							Borrowed: seats[service] == "",
						})
					}
				}
			}
		}
		slices.SortFunc(n.Assignments, func(a, b *v1.Assignment) int { return strings.Compare(a.Service, b.Service) })
		for _, a := range n.Assignments {
			if n.State != v1.NodeState_NODE_STATE_DOWN && reportOf(n, a.Service) == nil {
				w.report(n, a.Service, v1.ServiceState_SERVICE_STATE_SERVING)
			}
		}
		n.Reports = slices.DeleteFunc(n.Reports, func(r *v1.ServiceReport) bool { return assignmentOf(n, r.Service) == nil })
		w.hold(n)
	}
}

// hold notes that the data of a local service is at a node since it is ready.
func (w *world) hold(n *v1.Node) {
	for _, s := range w.top.Services {
		if s.Data == v1.Data_DATA_LOCAL && reportOf(n, s.Name).GetState() == v1.ServiceState_SERVICE_STATE_SERVING && !slices.Contains(n.Holds, s.Name) {
			n.Holds = append(n.Holds, s.Name)
			slices.Sort(n.Holds)
		}
	}
}

func (w *world) report(n *v1.Node, service string, state v1.ServiceState) {
	n.Reports = slices.DeleteFunc(n.Reports, func(r *v1.ServiceReport) bool { return r.Service == service })
	n.Reports = append(n.Reports, &v1.ServiceReport{Service: service, State: state, Since: timestamppb.New(w.now)})
	if state == v1.ServiceState_SERVICE_STATE_SERVING {
		n.Troubles = slices.DeleteFunc(n.Troubles, func(t *v1.Trouble) bool { return t.Service == service })
	}
}

// trouble is noted where a service is taken away that was not ready.
func (w *world) trouble(n *v1.Node, service string) {
	w.freed = true
	for _, t := range n.Troubles {
		if t.Service == service {
			t.Failures, t.Last = t.Failures+1, timestamppb.New(w.now)
			return
		}
	}
	n.Troubles = append(n.Troubles, &v1.Trouble{Service: service, Failures: 1, Last: timestamppb.New(w.now)})
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// node clones a record for a change.
func (w *world) node(id string) *v1.Node {
	w.t.Helper()
	for i, n := range w.nodes {
		if n.Id == id {
			w.nodes[i] = proto.CloneOf(n)
			return w.nodes[i]
		}
	}
	w.t.Fatalf("no node %s", id)
	return nil
}

// kill marks nodes down.
func (w *world) kill(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		n := w.node(id)
		n.State, n.StateSince = v1.NodeState_NODE_STATE_DOWN, timestamppb.New(w.now)
	}
}

// revive marks nodes up, with all that they served.
func (w *world) revive(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		n := w.node(id)
		if n.ReturnedAt != nil && w.now.Sub(n.ReturnedAt.AsTime()) > time.Hour {
			n.Flaps = 0
		}
		n.State, n.StateSince, n.ReturnedAt = v1.NodeState_NODE_STATE_UP, timestamppb.New(w.now), timestamppb.New(w.now)
		n.Flaps++
	}
}

func (w *world) drain(id string) {
	w.t.Helper()
	w.node(id).Settings.Drain = &v1.NodeDrain{Since: timestamppb.New(w.now)}
}

// loans writes the loans of a target as "node-6: webdav for files; …".
func loans(target *Target) string {
	var out []string
	for _, l := range target.Loans {
		out = append(out, fmt.Sprintf("%s: %s for %s", l.Node, l.Service, l.Pool))
	}
	return strings.Join(out, "; ")
}

// sets writes what every node serves, loans in brackets.
func (w *world) sets() string {
	var b strings.Builder
	for _, n := range w.nodes {
		fmt.Fprintf(&b, "%s:", n.Id)
		for _, a := range n.Assignments {
			if a.Borrowed {
				fmt.Fprintf(&b, " (%s@%s)", a.Service, a.Pool)
			} else {
				fmt.Fprintf(&b, " %s@%s", a.Service, a.Pool)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func reasonOf(target *Target, node, service string) string {
	for _, l := range target.Loans {
		if l.Node == node && l.Service == service {
			return l.Reason
		}
	}
	return ""
}
