package status

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"

	"roster/fsm/placement"
)

// waits says what is waited for: by the planner, by time, by the operator.
func (t *teller) waits() {
	t.rollsOut()
	for _, w := range t.f.waiting {
		t.say("%s", w)
	}
	sayEach(t, t.which(func(n *v1.Node) bool { return isDown(n) && len(t.f.seatsAtStake(n, t.in)) > 0 }), t.sayReplace)
	sayEach(t, t.which(isDrained), t.sayDrain)
	sayEach(t, t.barred(), func(b barred) string {
		return fmt.Sprintf("%s is not placed on %s before %s: it failed there %s%s.",
			b.trouble.GetService(), b.node, ahead(t.in.Now, timestamppb.New(b.until)), times(b.trouble.GetFailures()), because(b.trouble.GetReason()))
	})
	if observing := t.nodes(observes); len(observing) > 0 {
		t.say("Observing: %s. %s counted for what %s; nothing is changed there.", list(observing),
			plural(len(observing), "It is", "They are"), plural(len(observing), "it serves", "they serve"))
	}
	if cordoned := t.nodes(isCordoned); len(cordoned) > 0 {
		t.say("Cordoned: %s. %s nothing new: `roster node uncordon` ends that.", list(cordoned), plural(len(cordoned), "It gets", "They get"))
	}
}

func isDrained(n *v1.Node) bool { return n.GetSettings().GetDrain() != nil }

// isCordoned: by the operator alone; a node that is drained is said to be that.
func isCordoned(n *v1.Node) bool { return n.GetSettings().GetCordoned() && !isDrained(n) }

// sayReplace says when the seat of a node that is down goes to another.
func (t *teller) sayReplace(n *v1.Node) string {
	pools := t.f.seatsAtStake(n, t.in)
	at := after(n.GetStateSince(), t.f.policy.GetReplaceAfter().AsDuration())
	seats := fmt.Sprintf("%s of %s in pool %s", plural(len(pools), "The seat", "The seats"), n.GetId(), enumerate(pools))
	when, from := clock(t.in.Now, at), "from "+clock(t.in.Now, at)+" on"
	if at.AsTime().After(t.in.Now) {
		when = ahead(t.in.Now, at)
		from += ", in " + span(at.AsTime().Sub(t.in.Now))
	}
	switch t.f.policy.GetRepair() {
	case v1.Automation_AUTOMATION_OFF:
		return fmt.Sprintf("%s may be given away %s, if it stays down; policy.repair is off, so nobody does that.", seats, from)
	case v1.Automation_AUTOMATION_APPROVE:
		return fmt.Sprintf("%s may be given away %s, if it stays down and you approve it.", seats, from)
	}
	return fmt.Sprintf("%s %s to another node at %s, unless it comes back; %s open where no node is free for %s.", seats,
		plural(len(pools), "goes", "go"), when, plural(len(pools), "it stays", "they stay"), plural(len(pools), "it", "them"))
}

// sayDrain says how far a drain has come.
func (t *teller) sayDrain(n *v1.Node) string {
	d := n.GetSettings().GetDrain()
	sentence := fmt.Sprintf("Drained: %s, since %s%s.", n.GetId(), clock(t.in.Now, d.GetSince()), by(d.GetBy(), d.GetReason()))
	var serves, drains []string
	for _, a := range n.GetAssignments() {
		if a.GetWanted() == v1.Wanted_WANTED_DRAINING {
			drains = append(drains, a.GetService())
		} else {
			serves = append(serves, a.GetService())
		}
	}
	switch {
	case len(serves)+len(drains) == 0:
		return sentence + " It serves nothing and may be stopped."
	case len(serves) == 0:
		sentence += fmt.Sprintf(" %s %s.", enumerate(drains), plural(len(drains), "drains", "drain"))
	case len(drains) == 0:
		sentence += fmt.Sprintf(" It still serves %s.", enumerate(serves))
	default:
		sentence += fmt.Sprintf(" It still serves %s; %s %s.", enumerate(serves), enumerate(drains), plural(len(drains), "drains", "drain"))
	}
	switch deadline := d.GetDeadline(); {
	case deadline == nil:
		return sentence
	case deadline.AsTime().After(t.in.Now):
		return sentence + fmt.Sprintf(" It should be empty at %s.", ahead(t.in.Now, deadline))
	default:
		return sentence + fmt.Sprintf(" It should have been empty at %s; floors are kept all the same.", clock(t.in.Now, deadline))
	}
}

// barred is a service that is not placed on a node for now.
type barred struct {
	node    string
	trouble *v1.Trouble
	until   time.Time
}

func (t *teller) barred() (all []barred) {
	for _, n := range t.f.nodes {
		for _, trouble := range n.GetTroubles() {
			if until, ok := placement.Barred(n, trouble.GetService(), t.in.Now); ok {
				all = append(all, barred{n.GetId(), trouble, until})
			}
		}
	}
	return all
}

func times(n uint32) string {
	switch n {
	case 0, 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
