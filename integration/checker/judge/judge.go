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
	Node    string
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
	// Fewest instances answering per service since it first had its floor.
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
			if violation, ok := line.breach(s); ok {
				verdict.Violations = append(verdict.Violations, violation)
			}
		}
	}
	verdict.Dips = line.dips()
	verdict.Late = line.late(verdict.Dips, options.MendWithin)
	verdict.Lowest = line.lowest()
	verdict.Unmet = line.unmet(options.ExpectWithin)
	return verdict, nil
}

// breach says whether the command that caused s took its service below the
// floor. With `before` instances answering before it and s one of them, what is
// left is below min(floor, before) exactly when it is below the floor.
func (l *timeline) breach(s silence) (Violation, bool) {
	from, to := s.ended, s.ended
	if s.instant() {
		from = s.began // somewhere in here; others must be silent all through
	}
	var others []string
	after := 0
	for node := range l.instances[s.service] {
		if node == s.node {
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
	floor := l.floorAt(s.service, to)
	if after >= floor {
		return Violation{}, false
	}
	sort.Strings(others)
	message := fmt.Sprintf("%.3f: a command silenced %s on %s (%s: %s) and left %d answering, floor in force %d",
		s.ended, s.service, s.node, s.address, s.reason, after, floor)
	if len(others) > 0 {
		message += "; silent then: " + strings.Join(others, ", ")
	}
	if last := l.lastApplied(to); last != "" {
		message += "; last applied: " + last
	}
	return Violation{T: s.ended, Service: s.service, Node: s.node, After: after, Floor: floor, Message: message}, true
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
