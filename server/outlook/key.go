package outlook

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"roster/fsm"
	"roster/fsm/rollout"
)

// key names everything that decides what would be survived: what a plan relies
// on, what is ready where, who holds data, and who has a vote.
func (o *Outlook) key(state *fsm.State) string {
	return o.keyOf(state) + " " + strings.Join(slices.Sorted(slices.Values(o.cfg.Voters())), " ")
}

func (o *Outlook) keyOf(state *fsm.State) string {
	if known := o.keyed.Load(); known != nil && known.state == state {
		return known.key
	}
	h := sha256.New()
	say := func(words ...string) {
		for _, w := range words {
			_, _ = io.WriteString(h, w+"\x00") // a hash takes everything
		}
	}
	say(state.Basis(state.Topology().GetTopology()))
	for _, n := range state.Nodes() {
		say("node", n.GetId())
		say(n.GetHolds()...)
		for _, a := range n.GetAssignments() {
			if rollout.Ready(n, a.GetService()) {
				say("ready", a.GetService())
			}
		}
	}
	for _, m := range state.Members() {
		say("member", m.GetId())
	}
	key := hex.EncodeToString(h.Sum(nil)[:16])
	o.keyed.Store(&keyed{state, key})
	return key
}
