package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"roster/integration/checker/history"
)

// Late is a dip against which nothing was begun in time, though a node was there
// that could have served.
//
// The rule: where the cluster is to repair by itself, and fewer answer than the
// floor in force for longer than is allowed, a start is in flight, or failed with
// a stated reason, unless no node could take it.
type Late struct {
	Service string
	// From when the time counts, and until when it was allowed to take.
	From, Until float64
	// Nodes that could have served.
	Idle    []string
	Message string
}

// repair notes from when, or until when, the cluster is to repair.
func (l *timeline) repair(r history.Record) {
	if n := len(l.repairs); n > 0 && math.IsInf(l.repairs[n-1].to, 1) {
		l.repairs[n-1].to = r.T
	}
	if r.Text == "on" {
		l.repairs = append(l.repairs, repair{from: r.T, to: math.Inf(1), barred: r.Nodes})
	}
}

// told is how long, in seconds, news of a start may be on their way to the log:
// where a service answers at once, its dip is over by then.
const told = 2

// begun is how long after the beginning of a dip that lasts until `to` a start
// was in flight; -1: none was.
func (l *timeline) begun(d Dip, to float64) float64 {
	r := l.ruleAt(scope{d.Service, d.Part}, d.From)
	for _, s := range l.started {
		// One elsewhere does nothing for a part of the nodes.
		if len(s.Nodes) > 0 && !slices.ContainsFunc(s.Nodes, r.counts) {
			continue
		}
		if s.Service == d.Service && s.T >= d.From && s.T <= to+told {
			return min(s.T, to) - d.From
		}
	}
	return -1
}

// late finds the dips against which nothing was begun in time. What spans a
// change of the rules is judged in each part by itself.
func (l *timeline) late(dips []Dip, within float64) []Late {
	var late []Late
	if within <= 0 {
		return nil
	}
	for _, d := range dips {
		if d.Charged == "accepted" {
			continue
		}
		of := scope{d.Service, d.Part}
		for _, r := range l.repairs {
			from, to := max(d.From, r.from), min(d.To, r.to)
			until := from + within
			if to <= until || d.Begun >= 0 && d.From+d.Begun <= until {
				continue
			}
			idle := l.idle(of, from, until, r.barred)
			if len(idle) == 0 {
				continue
			}
			late = append(late, Late{Service: d.Service, From: from, Until: until, Idle: idle, Message: fmt.Sprintf(
				"%.3f: %s had %d answering, floor in force %d, and no start was in flight %.1f s later; it could have been on %s",
				from, of, d.Lowest, d.Floor, within, strings.Join(idle, ", "))})
		}
	}
	return late
}

// idle lists the nodes that could have taken a service in [from, to]: they are
// not broken, they may be used, and they did not serve it.
func (l *timeline) idle(of scope, from, to float64, barred []string) []string {
	var idle []string
	r := l.ruleAt(of, from)
	for node := range l.instances[of.service] {
		broken := slices.ContainsFunc(l.faults, func(f fault) bool { return f.node == node && f.from < to && from < f.to })
		silent := slices.ContainsFunc(l.silences, func(s silence) bool {
			return s.service == of.service && s.node == node && s.covers(from, to)
		})
		if r.counts(node) && !broken && silent && !slices.Contains(barred, node) {
			idle = append(idle, node)
		}
	}
	slices.Sort(idle)
	return idle
}
