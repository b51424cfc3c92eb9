package status

import (
	"fmt"
	"strings"

	v1 "roster/proto/roster/v1"
)

// memberRows are the members in lines. A member that was started and has found
// no leader since knows no records yet, but from Raft who has a vote.
func memberRows(in Input) []*v1.StatusMember {
	var rows []*v1.StatusMember
	for _, m := range in.State.Members() {
		rows = append(rows, &v1.StatusMember{
			Id: m.GetId(), Name: m.GetName(), Address: m.GetAddress(),
			Leader: m.GetId() == in.Leader, Voter: in.Voters[m.GetId()],
		})
	}
	for _, m := range in.Unrecorded {
		rows = append(rows, &v1.StatusMember{Id: m.GetId(), Name: m.GetName(), Voter: in.Voters[m.GetId()]})
	}
	for _, row := range rows {
		row.State, row.Silent = Shown(in.Contacts, row.GetId())
	}
	return rows
}

// silentMembers are the rows of those that are known not to answer.
func silentMembers(s *v1.Status) (silent []*v1.StatusMember) {
	for _, m := range s.GetMembers() {
		if m.GetState() == v1.MemberState_MEMBER_STATE_SILENT {
			silent = append(silent, m)
		}
	}
	return silent
}

// voterSilent says that a vote is lost. One that never had a vote is no loss.
func voterSilent(s *v1.Status) bool {
	for _, m := range silentMembers(s) {
		if m.GetVoter() {
			return true
		}
	}
	return false
}

// describeMembers says which members are missing, and what that means.
func describeMembers(s *v1.Status, in Input) (sentences []string) {
	say := func(format string, a ...any) { sentences = append(sentences, fmt.Sprintf(format, a...)) }
	silent := silentMembers(s)
	if in.Leader == "" {
		say("The members have no leader: nothing can be changed; the nodes serve on.")
		say("What you see is what member %s knew last.", nameOf(s, in.AnsweredBy))
		if len(in.State.Members()) == 0 {
			say("It was started and has heard no leader since: it knows the nodes again once there is one.")
		}
		say("%s", whatIsMissing(s, in, silent))
		return sentences
	}
	if in.Stale {
		say("What you see is what member %s knows; it may be old.", nameOf(s, in.AnsweredBy))
	}
	voters, heard := 0, 0
	last := -1
	for _, m := range s.GetMembers() {
		if m.GetVoter() {
			voters++
			if m.GetState() != v1.MemberState_MEMBER_STATE_SILENT {
				heard++
			}
		}
	}
	for i, m := range silent {
		if m.GetVoter() {
			last = i
		}
	}
	for i, m := range silent {
		switch {
		case !m.GetVoter():
			say("Member %s, which has no vote yet, was not heard%s: start it.", who(m), howLong(m))
		case i == last && heard == voters/2+1:
			say("Member %s was not heard%s: start it; one more loss costs the quorum.", who(m), howLong(m))
		default:
			say("Member %s was not heard%s: start it.", who(m), howLong(m))
		}
	}
	return sentences
}

// whatIsMissing says, without a leader, what would bring one.
func whatIsMissing(s *v1.Status, in Input, silent []*v1.StatusMember) string {
	names := make([]string, 0, len(silent))
	for _, m := range silent {
		name := who(m)
		for _, unrecorded := range in.Unrecorded {
			if unrecorded.GetId() == m.GetId() {
				name += " (raft address " + unrecorded.GetRaftAddress() + ")"
			}
		}
		names = append(names, name)
	}
	all, asked := 0, 0
	for _, m := range s.GetMembers() {
		if m.GetVoter() {
			all++
			if m.GetState() != v1.MemberState_MEMBER_STATE_UNSPECIFIED {
				asked++
			}
		}
	}
	switch {
	case len(names) > 0:
		return fmt.Sprintf("Start the missing members: %s. More than half of %d must run.", strings.Join(names, ", "), all)
	case asked == all && all > 0:
		return fmt.Sprintf("Every member answers %s: if there is no leader in a few seconds, see their logs, and whether they reach each other's raft address.", nameOf(s, in.AnsweredBy))
	default:
		return "Start the missing members: more than half must run."
	}
}

func who(m *v1.StatusMember) string {
	name := m.GetName()
	if name == "" {
		name = m.GetId()
	}
	if m.GetAddress() == "" {
		return name
	}
	return name + " (" + m.GetAddress() + ")"
}

func howLong(m *v1.StatusMember) string {
	if m.GetSilent() == nil {
		return ""
	}
	return " for " + m.GetSilent().AsDuration().String()
}
