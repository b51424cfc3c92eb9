package rebalance

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// Timings win, where not 0, over the topology's policy: roster dev has short
// ones, so that a failure can be watched from its beginning to its end.
type Timings struct {
	DownAfter    time.Duration
	ReplaceAfter time.Duration
	ReturnAfter  time.Duration
}

// inForce is a topology with a loop's own timings.
type inForce struct {
	of, topology *v1.Topology
}

// topology is the one in force as this loop reads it; nil where there is none.
func (l *Loop) topology(state *fsm.State) *v1.Topology {
	effective := state.Effective()
	if l.force.of != effective {
		l.force = inForce{of: effective, topology: l.cfg.Timings.Over(effective)}
	}
	return l.force.topology
}

// Over is a topology with these timings; the same where there are none.
func (t Timings) Over(effective *v1.Topology) *v1.Topology {
	if t == (Timings{}) || effective == nil {
		return effective
	}
	own := proto.CloneOf(effective)
	if own.Policy == nil {
		own.Policy = &v1.Policy{}
	}
	set := func(to **durationpb.Duration, d time.Duration) {
		if d != 0 {
			*to = durationpb.New(d)
		}
	}
	set(&own.Policy.DownAfter, t.DownAfter)
	set(&own.Policy.ReplaceAfter, t.ReplaceAfter)
	set(&own.Policy.ReturnAfter, t.ReturnAfter)
	return own
}

func (l *Loop) downAfter(state *fsm.State) time.Duration {
	if l.cfg.Timings.DownAfter != 0 {
		return l.cfg.Timings.DownAfter
	}
	if d := state.Effective().GetPolicy().GetDownAfter(); d != nil {
		return d.AsDuration()
	}
	return defaultDown
}
