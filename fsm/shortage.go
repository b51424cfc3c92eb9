package fsm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/fsm/placement"
	v1 "roster/proto/roster/v1"
)

func shortageWords(shortages []*v1.Shortage) string {
	var words []string
	for _, s := range shortages {
		words = append(words, s.GetReason())
	}
	return strings.Join(words, "; ")
}

// ShortageMend says what would fill a topology that today's nodes cannot: the
// words that Apply itself refuses it with.
func ShortageMend(s *State, effective *v1.Topology, now time.Time) string {
	target, err := placement.Place(Placement(s, effective, now))
	if err != nil {
		target = &placement.Target{}
	}
	return shortageMend(&s.core, effective, target, s.Nodes(), s.Freezes(), now)
}

// shortageMend says what would fill a topology that is short. Where nodes that are
// being drained would do, it is the drain that is in the way, and named.
func shortageMend(c *core, effective *v1.Topology, target *placement.Target, nodes []*v1.Node, freezes []*v1.Freeze, now time.Time) string {
	blockers := drainedBlockers(c, effective, target, nodes, freezes, now)
	if len(blockers) == 0 {
		return "add nodes, ask for less"
	}
	names, calls := blockers[0], "`roster node undrain "+blockers[0]+"`"
	if n := len(blockers); n > 1 {
		names = strings.Join(blockers[:n-1], ", ") + " and " + blockers[n-1]
		calls = "`roster node undrain` for them"
	}
	return fmt.Sprintf("it is in conflict with the drain of %s, which could take these seats: call that off by %s, add nodes, ask for less", names, calls)
}

// drainedBlockers lists the drained nodes that would have a seat of a pool that is
// short, if none were drained.
func drainedBlockers(c *core, effective *v1.Topology, target *placement.Target, nodes []*v1.Node, freezes []*v1.Freeze, now time.Time) []string {
	drained := map[string]bool{}
	undrained := slices.Clone(nodes)
	for i, n := range nodes {
		if n.GetSettings().GetDrain() != nil {
			drained[n.GetId()] = true
			n = copyNode(n)
			n.Settings = copySettings(n.GetSettings())
			n.Settings.Drain = nil
			undrained[i] = n
		}
	}
	if len(drained) == 0 {
		return nil
	}
	var without *placement.Target
	if err := purely(func() (err error) {
		without, err = placement.Place(placementView(c, effective, undrained, freezes, now))
		return err
	}); err != nil {
		return nil
	}
	short := map[string]bool{}
	for _, s := range target.Shortages {
		short[s.GetPool()] = true
	}
	var blockers []string
	for _, s := range without.Seats {
		if short[s.GetPool()] && drained[s.GetNode()] && !slices.Contains(blockers, s.GetNode()) {
			blockers = append(blockers, s.GetNode())
		}
	}
	slices.SortFunc(blockers, placement.Compare)
	return blockers
}
