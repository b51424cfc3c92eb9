// Package judge owns the verdict on a log: whether a command of the cluster
// took a service below its floor, to what each dip is charged, and whether the
// cluster did something about it in time (late.go). It must not dial, read a clock, or know anything that is not in the log, and it imports
// no package of Roster.
//
// The rule: no command takes the instances that really answer below
// min(floor in force, their number before it). An instance is a node's service
// and answers when each of its addresses does. One that fell silent through a
// fault still counts for two heartbeats, since nobody in the cluster can know
// earlier. A silence that no fault mark explains was a command's doing.
//
// A floor may be over a part of the nodes, which the log names one by one: then
// only these count. What the operator accepted to fall short of is no breach, as
// far as he accepted it (scope.go).
//
// Everything here is pure.
package judge

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"roster/integration/checker/history"
)

// ErrUnusable means that a log proves nothing, neither good nor bad.
var ErrUnusable = errors.New("the log cannot be judged")

// Options bounds what a log must be to count as proof.
type Options struct {
	// Longest time, in seconds, that a target may go without a dial.
	BlindAfter float64
	// How long, in seconds, the counts of an expect mark may take to be seen.
	ExpectWithin float64
	// How long, in seconds, a service may be under its floor before a start is in
	// flight: down_after and two seconds. 0: not judged.
	MendWithin float64
}

// Violation is one breach of the rule.
type Violation struct {
	T       float64
	Service string
	// The part of the nodes that the floor is over; empty: all of them.
	Part string
	Node string
	// Answering after the command, and the floor in force.
	After, Floor int
	Message      string
}

// Verdict is what a log shows.
type Verdict struct {
	Violations []Violation
	Dips       []Dip
	// Dips that nothing was begun against in time.
	Late []Late
	// Expect marks whose counts were never seen.
	Unmet []string
	// Fewest instances answering per service, and part of the nodes, since it first
	// had its floor.
	Lowest map[string]int
	// Commands and faults that silenced an instance, and dials in all.
	Commands, Faults, Dials int
	Seconds                 float64
}

// Broken says that the log shows a breach.
func (v *Verdict) Broken() bool { return len(v.Violations) > 0 || len(v.Late) > 0 || len(v.Unmet) > 0 }

// Judge reads records and returns the verdict; ErrUnusable where they prove
// nothing.
func Judge(records []history.Record, options Options) (*Verdict, error) {
	line, err := read(records, options.BlindAfter)
	if err != nil {
		return nil, err
	}
	if len(line.blind) > 0 {
		worst := slices.MaxFunc(line.blind, func(a, b history.Record) int {
			if a.Longest < b.Longest {
				return -1
			}
			return 1
		})
		return nil, fmt.Errorf("%w: it was blind %d times for more than %.1f s, the longest %.3f s before %.3f at %s",
			ErrUnusable, len(line.blind), options.BlindAfter, worst.Longest, worst.T, worst.Address)
	}
	if len(line.floors) == 0 {
		return nil, fmt.Errorf("%w: it says no floors", ErrUnusable)
	}
	verdict := &Verdict{Dials: line.dials, Seconds: line.end}
	for _, s := range line.silences {
		switch {
		case !s.event:
		case s.fault != nil:
			verdict.Faults++
		default:
			verdict.Commands++
			for _, of := range line.scopes() {
				if violation, ok := line.breach(s, of); ok {
					verdict.Violations = append(verdict.Violations, violation)
				}
			}
		}
	}
	verdict.Dips = line.dips()
	verdict.Late = line.late(verdict.Dips, options.MendWithin)
	verdict.Lowest = line.lowest()
	verdict.Unmet = line.unmet(options.ExpectWithin)
	return verdict, nil
}

// breach says whether the command that caused s took a scope below the floor, or
// below what the operator accepted. With `before` instances answering before it and s one of them, what is
// left is below min(floor, before) exactly when it is below the floor.
func (l *timeline) breach(s silence, of scope) (Violation, bool) {
	rule := l.ruleAt(of, s.ended)
	if of.service != s.service || !rule.counts(s.node) {
		return Violation{}, false
	}
	from, to := s.ended, s.ended
	if s.instant() {
		from = s.began // somewhere in here; others must be silent all through
	}
	var others []string
	after := 0
	for node := range l.instances[s.service] {
		if node == s.node || !rule.counts(node) {
			continue
		}
		if l.counts(s.service, node, from, to) {
			after++
		} else {
			others = append(others, node)
		}
	}
	if !l.counted(s) {
		return Violation{}, false
	}
	if after >= rule.least {
		return Violation{}, false
	}
	sort.Strings(others)
	message := fmt.Sprintf("%.3f: a command silenced %s on %s (%s: %s) and left %d answering, floor in force %d",
		s.ended, of, s.node, s.address, s.reason, after, rule.floor)
	if rule.least < rule.floor {
		message += fmt.Sprintf(", of which %d was accepted", rule.least)
	}
	if len(others) > 0 {
		message += "; silent then: " + strings.Join(others, ", ")
	}
	if last := l.lastApplied(to); last != "" {
		message += "; last applied: " + last
	}
	return Violation{T: s.ended, Service: s.service, Part: of.part, Node: s.node, After: after, Floor: rule.floor, Message: message}, true
}

// counts says whether an instance counts as answering at some instant of
// [from, to].
func (l *timeline) counts(service, node string, from, to float64) bool {
	for _, s := range l.silences {
		if s.service != service || s.node != node || !s.covers(from, to) {
			continue
		}
		if s.event && s.fault != nil && to < s.ended+2*l.start.Heartbeat {
			continue // nobody can know yet
		}
		return false
	}
	return true
}

// counted says whether the instance of s was answering before s: another of
// its addresses may have been silent already, and then nothing was taken away.
func (l *timeline) counted(s silence) bool {
	for _, other := range l.silences {
		if other.service == s.service && other.node == s.node && other.address != s.address &&
			(other.ended < s.ended || other.ended == s.ended && other.address < s.address) && s.ended <= other.last {
			return false
		}
	}
	return true
}

func (l *timeline) lastApplied(t float64) string {
	text := ""
	for _, r := range l.applied {
		if r.T <= t {
			text = r.Text
		}
	}
	return text
}
