package status

import (
	"fmt"
	"slices"
	"strings"

	"roster/client/identity"
	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// describe writes the sentences below the first word: what keeps Roster from
// acting, then what was lost, what Roster did, what it waits for, and what you
// can do.
func describe(s *v1.Status, in Input, f findings) {
	t := &teller{s: s, in: in, f: f}
	t.restraints()
	t.lost()
	t.did()
	t.waits()
	t.mend()
	s.Sentences = t.said
}

// teller writes sentences.
type teller struct {
	s    *v1.Status
	in   Input
	f    findings
	said []string
}

func (t *teller) say(format string, a ...any) { t.said = append(t.said, fmt.Sprintf(format, a...)) }

// mostOfAKind bounds what is said of single services, nodes and freezes; lists of
// them have it all.
const mostOfAKind = 10

// sayEach says a sentence of each, as far as there is room.
func sayEach[T any](t *teller, all []T, sentence func(T) string) {
	for i, one := range all {
		if i == mostOfAKind {
			t.say("And %d more like that.", len(all)-i)
			return
		}
		t.say("%s", sentence(one))
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + strings.TrimRight(why, ".")
}

func sortedServices(s *v1.Status) []string {
	names := make([]string, 0, len(s.GetServices()))
	for name := range s.GetServices() {
		names = append(names, name)
	}
	slices.SortFunc(names, placement.Compare)
	return names
}

// nameOf is a member's name for people.
func nameOf(s *v1.Status, id string) string {
	for _, m := range s.GetMembers() {
		if m.GetId() == id && m.GetName() != "" {
			return m.GetName()
		}
	}
	return id
}

// person is who asked for something, for people: `ann` of her identity.
func person(uri string) string {
	who, err := identity.Parse(uri)
	switch {
	case err != nil:
		return uri
	case who.Role == identity.User:
		return who.Name
	}
	return string(who.Role) + " " + who.Name
}

// by says who did something and why, as far as that is known.
func by(uri, reason string) string {
	if uri == "" {
		return because(reason)
	}
	return " by " + person(uri) + because(reason)
}

// list shows at most ten ids.
func list(ids []string) string {
	if len(ids) > 10 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:10], ", "), len(ids)-10)
	}
	return strings.Join(ids, ", ")
}

// plural is the word for one or for more.
func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
