package judge

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// Dip is a time in which fewer instances answered than the floor in force.
type Dip struct {
	Service string
	// The part of the nodes that the floor is over; empty: all of them.
	Part     string
	From, To float64
	// Fewest that answered in it, and the floor at its beginning.
	Lowest, Floor int
	// "fault: …", "command", "accepted" (a command that the operator let break it),
	// or "not reached yet".
	Charged string
	// Seconds until a start was in flight; -1: none was.
	Begun float64
}

// answering counts the instances of a service that answer at t for certain or
// perhaps; nothing is forgiven to faults here.
func (l *timeline) answering(service string, t float64) int {
	return l.answeringOn(service, rule{}, t)
}

// answeringOn counts those where a rule counts.
func (l *timeline) answeringOn(service string, r rule, t float64) int {
	silent := map[string]bool{}
	for _, s := range l.silences {
		if s.service == service && s.covers(t, t) {
			silent[s.node] = true
		}
	}
	n := 0
	for node := range l.instances[service] {
		if r.counts(node) && !silent[node] {
			n++
		}
	}
	return n
}

// moments are the times at which the count or the floor of a service changes.
func (l *timeline) moments(service string) []float64 {
	times := []float64{0, l.end}
	for _, s := range l.silences {
		if s.service == service && !s.instant() {
			times = append(times, s.ended)
			if !math.IsInf(s.last, 1) {
				// A silence covers its last instant; the count is back right
				// after it.
				times = append(times, math.Nextafter(s.last, math.Inf(1)))
			}
		}
	}
	for _, s := range l.floors {
		times = append(times, s.from)
	}
	for _, r := range l.accepted {
		times = append(times, r.T)
	}
	sort.Float64s(times)
	return slices.Compact(times)
}

// dips are the spans below the floor, of every scope, in order.
func (l *timeline) dips() []Dip {
	var dips []Dip
	for _, of := range l.scopes() {
		var open *Dip
		for _, t := range l.moments(of.service) {
			rule := l.ruleAt(of, t)
			count, floor := l.answeringOn(of.service, rule, t), rule.floor
			switch {
			case count < floor && open == nil:
				open = &Dip{Service: of.service, Part: of.part, From: t, Lowest: count, Floor: floor, Charged: l.chargeOf(of, t)}
			case count < floor:
				open.Lowest = min(open.Lowest, count)
			case open != nil:
				open.To, open.Begun = t, l.begun(*open, t)
				dips, open = append(dips, *open), nil
			}
		}
		if open != nil {
			open.To, open.Begun = l.end, l.begun(*open, l.end)
			dips = append(dips, *open)
		}
	}
	return dips
}

// chargeOf says what made the count of a scope fall below its floor at t.
func (l *timeline) chargeOf(of scope, t float64) string {
	rule := l.ruleAt(of, t)
	concerns := func(s silence) bool { return s.service == of.service && rule.counts(s.node) }
	for _, s := range l.silences {
		if concerns(s) && s.event && s.fault == nil && s.ended == t {
			if _, breach := l.breach(s, of); breach {
				return "command"
			}
			if rule.least < rule.floor {
				return "accepted"
			}
		}
	}
	// A fault that began it, that nobody could know of when the command was
	// given, or over which the floor was raised.
	for _, s := range l.silences {
		if concerns(s) && s.covers(t, t) && s.fault != nil {
			return strings.TrimSuffix("fault: "+s.fault.text, ": ")
		}
	}
	return "not reached yet"
}

// lowest is the fewest instances that answered in each scope since it first had
// its floor.
func (l *timeline) lowest() map[string]int {
	lowest := map[string]int{}
	for _, of := range l.scopes() {
		reached := false
		for _, t := range l.moments(of.service) {
			rule := l.ruleAt(of, t)
			count := l.answeringOn(of.service, rule, t)
			if rule.floor == 0 {
				continue
			}
			reached = reached || count >= rule.floor
			if reached {
				if was, ok := lowest[of.String()]; !ok || count < was {
					lowest[of.String()] = count
				}
			}
		}
	}
	return lowest
}

// unmet are the expect marks whose counts were not seen together in time.
func (l *timeline) unmet(within float64) []string {
	var unmet []string
	for _, r := range l.expects {
		until := min(r.T+within, l.end)
		times := []float64{r.T, until}
		for service := range l.instances {
			for _, t := range l.moments(service) {
				if t > r.T && t < until {
					times = append(times, t)
				}
			}
		}
		seen := map[string]int{}
		if !slices.ContainsFunc(times, func(t float64) bool {
			for service := range l.instances {
				seen[service] = l.answering(service, t)
			}
			for service := range l.instances {
				if seen[service] != r.Counts[service] {
					return false
				}
			}
			return true
		}) {
			unmet = append(unmet, fmt.Sprintf("%.3f: %s: expected answering %v, last saw %v", r.T, r.Text, r.Counts, seen))
		}
		for service := range r.Counts {
			if l.instances[service] == nil {
				unmet = append(unmet, fmt.Sprintf("%.3f: %s: expected %s, which no target serves", r.T, r.Text, service))
			}
		}
	}
	return unmet
}
