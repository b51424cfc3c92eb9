package rollout

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"
)

// explain says of a planned move what happens, how long it is waited for, and the
// way back. The node is as it is before the wave.
func (s *simulation) explain(m *v1.Move) {
	n := s.node(m.GetNode())
	say := func(step string, args ...any) { m.Steps = append(m.Steps, fmt.Sprintf(step, args...)) }
	mates := Restarts(n, m.GetService(), m.GetAction())
	begin := func() {
		if len(mates) > 0 {
			say("%s restarts with it, and is ready again when its probe passes", strings.Join(mates, ", "))
		}
		say("its probe passes, and it counts as ready")
		m.Deadline = durationpb.New(StartDeadline)
	}
	switch m.GetAction() {
	case v1.Action_ACTION_START:
		say("its agent starts it")
		begin()
		m.WayBack = fmt.Sprintf("if it is not ready within %s, the others go on without it, and where the target gives it to another node it is stopped here", StartDeadline)
	case v1.Action_ACTION_DRAIN:
		bound := DrainBound(n, s.drains[m.GetService()].AsDuration(), s.view.Now)
		say("it counts as ready no more, and balancers send it nothing new")
		say("its sessions end, at most %s", bound)
		say("it is stopped in a later wave")
		m.Deadline = durationpb.New(bound)
		m.WayBack = "until it is stopped, calling off the drain lets it serve again at once"
	case v1.Action_ACTION_STOP:
		say("its agent stops it")
		if len(mates) > 0 {
			say("%s restarts with it, and is ready again when its probe passes", strings.Join(mates, ", "))
			m.Deadline = durationpb.New(StartDeadline)
		}
		m.WayBack = "it is started again"
	case v1.Action_ACTION_UNDRAIN:
		say("it takes new sessions again")
		begin()
		m.WayBack = "it is drained again"
	case v1.Action_ACTION_RESEAT:
		say("its record names another seat; the service is not touched")
		m.WayBack = "its record names the seat of before"
	}
}
