package judge

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"roster/integration/checker/history"
)

// A silence is a time in which a target did not answer.
//
// Nobody sees the very instant at which a port closes or opens, only dials
// before and after it. The judge counts in favour of the accused: a silence is
// certain from the end of its first failed dial to the beginning of its last
// one. With a single failed dial there is no such span, only an instant
// somewhere between that dial's beginning and its end.
type silence struct {
	node, service, address string
	// Of the first failed dial.
	began, ended float64
	// Beginning of the last failed dial; +Inf while it lasts.
	last float64
	// It answered before: a silence from the first dial on is no event.
	event bool
	// What the first failed dial said.
	reason string
	// The fault that it is charged to; nil: a command.
	fault *fault
}

// instant says that a single dial failed.
func (s silence) instant() bool { return s.last < s.ended }

// covers says that the silence is certain throughout [from, to].
func (s silence) covers(from, to float64) bool { return s.ended <= from && to <= s.last }

// A fault is a time in which a test had broken a node.
type fault struct {
	node     string
	from, to float64
	text     string
}

// repair is a time in which the cluster was to repair by itself.
type repair struct {
	from, to float64
	// Nodes that it may not use.
	barred []string
}

// setting is the floors in force from a time on.
type setting struct {
	from   float64
	floors map[string]int
	parts  []history.Part
}

// timeline is a log in the order of its times.
type timeline struct {
	start    history.Record
	end      float64
	silences []silence
	faults   []fault
	floors   []setting
	accepted []history.Record
	expects  []history.Record
	applied  []history.Record
	started  []history.Record
	repairs  []repair
	blind    []history.Record
	dials    int
	// Instances by service: node to addresses.
	instances map[string]map[string][]string
}

// read makes a timeline of records; an error means that they are no log of one
// whole watch.
func read(records []history.Record, blindAfter float64) (*timeline, error) {
	if len(records) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrUnusable)
	}
	if records[0].Kind != history.KindStart {
		return nil, fmt.Errorf("%w: it does not begin with a start record", ErrUnusable)
	}
	if records[len(records)-1].Kind != history.KindEnd {
		return nil, fmt.Errorf("%w: it has no end record: the watch was cut short", ErrUnusable)
	}
	line := &timeline{start: records[0], end: records[len(records)-1].T, instances: map[string]map[string][]string{}}
	if line.start.Heartbeat <= 0 {
		return nil, fmt.Errorf("%w: the start record has no heartbeat", ErrUnusable)
	}
	known := map[string]bool{}
	for _, t := range line.start.Targets {
		known[t.Address] = true
		if line.instances[t.Service] == nil {
			line.instances[t.Service] = map[string][]string{}
		}
		line.instances[t.Service][t.Node] = append(line.instances[t.Service][t.Node], t.Address)
	}
	// Goroutines append in their own order; the times are what counts.
	sorted := slices.Clone(records)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].T < sorted[j].T })
	open := map[string]*silence{}
	dialled := map[string]bool{}
	for _, r := range sorted {
		switch r.Kind {
		case history.KindChange:
			if !known[r.Address] {
				return nil, fmt.Errorf("%w: %s changed at %.3f but is no target", ErrUnusable, r.Address, r.T)
			}
			if err := line.change(r, open, dialled); err != nil {
				return nil, err
			}
		case history.KindMark:
			line.mark(r)
		case history.KindLooked:
			line.dials += r.Dials
			if r.Longest > blindAfter {
				line.blind = append(line.blind, r)
			}
		case history.KindStart, history.KindEnd, history.KindNote:
		default:
			return nil, fmt.Errorf("%w: unknown kind %q at %.3f", ErrUnusable, r.Kind, r.T)
		}
	}
	for _, s := range open {
		s.last = math.Inf(1)
		line.silences = append(line.silences, *s)
	}
	for address := range known {
		if !dialled[address] {
			return nil, fmt.Errorf("%w: target %s was never dialled", ErrUnusable, address)
		}
	}
	line.charge()
	return line, nil
}

func (l *timeline) change(r history.Record, open map[string]*silence, dialled map[string]bool) error {
	before := open[r.Address]
	if r.First == dialled[r.Address] || !r.First && r.Answers != (before != nil) {
		return fmt.Errorf("%w: %s at %.3f is no change", ErrUnusable, r.Address, r.T)
	}
	dialled[r.Address] = true
	if r.Answers {
		if before != nil {
			before.last = r.Before
			l.silences = append(l.silences, *before)
			delete(open, r.Address)
		}
		return nil
	}
	open[r.Address] = &silence{
		node: r.Node, service: r.Service, address: r.Address, began: r.Began, ended: r.T, event: !r.First, reason: r.Error,
	}
	return nil
}

func (l *timeline) mark(r history.Record) {
	switch r.Mark {
	case history.MarkFloors:
		l.floors = append(l.floors, setting{from: r.T, floors: r.Counts, parts: r.Parts})
	case history.MarkFault:
		for _, node := range r.Nodes {
			l.faults = append(l.faults, fault{node: node, from: r.T, to: math.Inf(1), text: r.Text})
		}
	case history.MarkHealed:
		for i := range l.faults {
			if slices.Contains(r.Nodes, l.faults[i].node) && math.IsInf(l.faults[i].to, 1) {
				l.faults[i].to = r.T
			}
		}
	case history.MarkAccepted:
		l.accepted = append(l.accepted, r)
	case history.MarkExpect:
		l.expects = append(l.expects, r)
	case history.MarkApplied:
		l.applied = append(l.applied, r)
	case history.MarkStarted:
		l.started = append(l.started, r)
	case history.MarkRepair:
		l.repair(r)
	}
}

// charge gives every silence that fell into a fault of its node to that fault,
// and puts the silences in order.
func (l *timeline) charge() {
	sort.Slice(l.silences, func(i, j int) bool {
		a, b := l.silences[i], l.silences[j]
		if a.ended != b.ended {
			return a.ended < b.ended
		}
		return a.address < b.address
	})
	for i := range l.silences {
		s := &l.silences[i]
		for j := range l.faults {
			f := &l.faults[j]
			// The whole of the failed dial lies after the mark, or the port may
			// have closed before the fault.
			if f.node == s.node && s.ended >= f.from && s.began < f.to {
				s.fault = f
			}
		}
	}
}
