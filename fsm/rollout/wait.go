package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

// mostSentences bounds what a step says that it waits for.
const mostSentences = 20

// block notes that a move is held back by the floor of a service.
func (b *board) block(s *slot, action v1.Action, blocked string) {
	m := &v1.Move{Service: s.service, Node: s.host.GetId(), Action: action}
	b.note(b.ledger.explain(m, blocked))
}

func (b *board) note(sentence string) {
	if len(b.said) <= mostSentences && !b.said[sentence] {
		b.said[sentence] = true
		b.blocked = append(b.blocked, sentence)
	}
}

func (b *board) unheard(h *host) {
	b.note(h.GetId() + " was not heard within two heartbeats: nothing is drained or stopped there")
}

// waiting says in sentences why the rollout is not done, most telling first.
// It is empty when there is nothing to wait for.
func (b *board) waiting() []string {
	out, more := b.blocked, 0
	say := func(format string, args ...any) {
		if len(out) >= mostSentences {
			more++
			return
		}
		out = append(out, fmt.Sprintf(format, args...))
	}
	b.sayHeld(say)
	for _, h := range b.hosts {
		b.waitingFor(h, say)
	}
	for _, pool := range slices.SortedFunc(maps.Keys(b.queued), placement.Compare) {
		say("pool %s moves %d nodes at once, more wait for their turn", pool, b.pools[pool].limit)
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// sayHeld says what is not made though it is safe, reason by reason.
func (b *board) sayHeld(say func(string, ...any)) {
	var order []string
	first, more := map[string]*v1.Move{}, map[string]int{}
	for _, h := range b.allowed.held {
		if first[h.Why] == nil {
			order, first[h.Why] = append(order, h.Why), h.Move
			continue
		}
		more[h.Why]++
	}
	for _, why := range order {
		m, others := first[why], ""
		if n := more[why]; n > 0 {
			others = fmt.Sprintf(" and %d more", n)
		}
		say("%s %s on %s%s is not done: %s", actionWords[m.GetAction()], m.GetService(), m.GetNode(), others, why)
	}
}

var actionWords = map[v1.Action]string{
	v1.Action_ACTION_START: "starting", v1.Action_ACTION_DRAIN: "draining", v1.Action_ACTION_STOP: "stopping",
	v1.Action_ACTION_UNDRAIN: "calling off the drain of", v1.Action_ACTION_RESEAT: "giving another seat to",
}

// waitingFor says what one node is waited for.
func (b *board) waitingFor(h *host, say func(string, ...any)) {
	var changes, starts, drains []string
	for _, s := range h.slots {
		switch {
		case s.taken(), s.held && s.phase != stuck:
		case s.phase == starting:
			say("%s on %s has to become ready", s.service, h.GetId())
		case s.phase == stuck && reportsFailing(s) && s.wantedHere():
			say("%s on %s fails%s", s.service, h.GetId(), b.detail(s))
		case s.phase == stuck && s.wantedHere():
			say("%s", b.overdue(s))
		case s.phase == draining:
			say("%s on %s drains%s, at most %s", s.service, h.GetId(), b.sessions(s), s.drainTime())
		case s.phase == drained && !s.wantedHere():
			say("%s on %s has drained and has to be stopped", s.service, h.GetId())
		case s.phase == absent:
			changes, starts = append(changes, s.service), append(starts, s.service)
		case s.phase == dark && s.changes(), !s.wantedHere():
			changes, drains = append(changes, s.service), append(drains, s.service)
		}
	}
	if len(changes) == 0 {
		return
	}
	list := strings.Join(changes, ", ")
	switch {
	case !live(h.Node):
		say("%s is down, and %s is changed there when it is back", h.GetId(), list)
	case h.GetState() != v1.NodeState_NODE_STATE_UP:
		say("%s is suspect, and %s is changed there when it is heard again", h.GetId(), list)
	default:
		switch own := strings.Join(starts, ", "); {
		case own == "":
		case h.GetSettings().GetDrain() != nil:
			say("%s is drained, and %s is not begun there", h.GetId(), own)
		case h.closed():
			say("%s is cordoned, and %s is not begun there", h.GetId(), own)
		default:
			say("%s has to be started on %s", own, h.GetId())
		}
		if len(drains) > 0 {
			say("%s has to be drained on %s", strings.Join(drains, ", "), h.GetId())
		}
	}
}

// changes: the set of a node that is down is not the target's.
func (s *slot) changes() bool {
	return !s.wantedHere() || !s.serves() || !s.seated()
}

func reportsFailing(s *slot) bool {
	return report(s.host.Node, s.service).GetState() == v1.ServiceState_SERVICE_STATE_FAILING
}

// overdue says of a stuck service that it is waited for no more.
func (b *board) overdue(s *slot) string {
	text := fmt.Sprintf("%s on %s has not become ready within %s", s.service, s.host.GetId(), StartDeadline)
	if u := s.assignment.GetUnreadySince(); u != nil {
		text = fmt.Sprintf("%s on %s was ready and is not since %s", s.service, s.host.GetId(), u.AsTime().UTC().Format(time.RFC3339))
	}
	return text + b.detail(s)
}

func (b *board) detail(s *slot) string {
	if text := report(s.host.Node, s.service).GetDetail(); text != "" {
		return ": " + text
	}
	return ""
}

func (b *board) sessions(s *slot) string {
	switch n := report(s.host.Node, s.service).GetSessions(); n {
	case 0:
		return ""
	case 1:
		return " (1 session left)"
	default:
		return fmt.Sprintf(" (%d sessions left)", n)
	}
}
