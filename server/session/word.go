package session

import (
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// version orders the sets of a node. An agent never goes back.
type version struct{ epoch, generation uint64 }

func (v version) before(w version) bool {
	return v.epoch < w.epoch || v.epoch == w.epoch && v.generation < w.generation
}

// word is what an agent is told: its set, and what it may do with it. What it
// may do changes without the set.
type word struct {
	version
	observe    bool
	handsOff   bool
	supersedes *v1.SetVersion
}

func wordOf(state *fsm.State, node *v1.Node, handsOff bool) word {
	return word{
		version:    version{state.Cluster().GetEpoch(), node.GetGeneration()},
		observe:    node.GetMode() == v1.AgentMode_AGENT_MODE_OBSERVE,
		handsOff:   handsOff,
		supersedes: node.GetSupersedes(),
	}
}

// newsAfter says whether it has to be told to whoever was told another one last.
func (w word) newsAfter(told word) bool {
	if w.version != told.version {
		return told.before(w.version)
	}
	return w.observe != told.observe || w.handsOff != told.handsOff || !proto.Equal(w.supersedes, told.supersedes)
}

func (w word) message(node *v1.Node) *v1.SessionResponse {
	return &v1.SessionResponse{Message: &v1.SessionResponse_Set{Set: &v1.AssignmentSet{
		Epoch: w.epoch, Generation: w.generation, Assignments: node.GetAssignments(),
		Empty: len(node.GetAssignments()) == 0, Observe: w.observe, HandsOff: w.handsOff, Supersedes: w.supersedes,
	}}}
}
