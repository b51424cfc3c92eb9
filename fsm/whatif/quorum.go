package whatif

import (
	"fmt"
	"slices"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// electorate are the members' votes.
type electorate struct {
	voters    []*v1.Member // by name
	answering int
}

func (c *Cluster) electorate() electorate {
	var e electorate
	listed := slices.ContainsFunc(c.Members, (*v1.Member).GetVoter)
	for _, m := range c.Members {
		// Where nobody worked out who has a vote, all do.
		if listed && !m.GetVoter() {
			continue
		}
		e.voters = append(e.voters, m)
		if m.GetState() != v1.MemberState_MEMBER_STATE_SILENT {
			e.answering++
		}
	}
	slices.SortFunc(e.voters, func(a, b *v1.Member) int { return placement.Compare(memberName(a), memberName(b)) })
	return e
}

// bears is how many members that answer may be lost.
func (e electorate) bears() int { return e.answering - len(e.voters)/2 - 1 }

// without counts the votes that answer when some members are lost, and says
// whether they are a quorum. Where there are no members, nobody asks.
func (e electorate) without(lost map[string]bool) (left int, quorum bool) {
	left = e.answering
	for _, m := range e.voters {
		if lost[m.GetId()] && m.GetState() != v1.MemberState_MEMBER_STATE_SILENT {
			left--
		}
	}
	return left, len(e.voters) == 0 || left > len(e.voters)/2
}

// paralysed says what no quorum means.
func (e electorate) paralysed(left int) string {
	return fmt.Sprintf("%d of %s with a vote answer, and %d must: nothing is changed and no failure is mended; nodes serve on",
		left, amount(len(e.voters), "member"), len(e.voters)/2+1)
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
