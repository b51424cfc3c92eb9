package rollout

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"roster/fsm/placement"
	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

const (
	// fewestSilent: fewer are the everyday failures of machines.
	fewestSilent = 3
	// mostNamed bounds the nodes that a hold names.
	mostNamed = 100
	// Where the policy does not say it.
	defaultHoldAbove = 30
	defaultHoldMax   = 15 * time.Minute
	defaultReplace   = 5 * time.Minute
)

// GuardView is what the guard judges from.
type GuardView struct {
	// All registered nodes; those that observe count as well.
	Nodes []*v1.Node
	// Silent says whether a node has been silent for two heartbeats. A session
	// that merely broke is none.
	Silent func(node string) bool
	// Down says whether a node is down, or is marked down in this pass: no hold
	// begins before one of the silent is. nil: that they are silent will do.
	Down func(node string) bool
	// In force; nil: none.
	Hold *v1.Hold
	// The operator's word; nil: none.
	Override *v1.HoldOverride
	// Effective; nil: the defaults.
	Policy *v1.Policy
	// The leader's time.
	Now time.Time
}

// Guard says what becomes of the hold; nil: it stays as it is. It is asked in
// the pass that marks nodes down, and both are written at once.
//
// Where many nodes are silent at once, it is likelier that Roster does not hear
// than that all of them failed. A whole zone or region is the exception: these do
// fail at once, and the rest, which is heard, proves Roster's ears.
//
// Nodes that are dead for good count for nothing: their seats were given away,
// and that they are silent is no news.
func Guard(v GuardView) *storev1.HoldChange {
	v.Nodes = v.recent()
	s := v.listen()
	if v.Hold == nil {
		if !s.suspicious(v) || overridden(v) || !v.anyDown(s) {
			return nil
		}
		return &storev1.HoldChange{Hold: s.hold(timestamppb.New(v.Now), false)}
	}
	if why := s.over(v); why != "" {
		return &storev1.HoldChange{Reason: why}
	}
	hold := s.hold(v.Hold.GetSince(), v.Hold.GetSlow() || !v.Now.Before(v.Hold.GetSince().AsTime().Add(v.holdMax())))
	if hold.GetSlow() == v.Hold.GetSlow() && hold.GetRegistered() == v.Hold.GetRegistered() &&
		hold.GetSilentCount() == v.Hold.GetSilentCount() && slices.Equal(hold.GetSilent(), v.Hold.GetSilent()) {
		return nil
	}
	return &storev1.HoldChange{Hold: hold}
}

// recent leaves out the nodes that are silent and had been down for replace_after
// when the hold began; where there is none, by now.
func (v GuardView) recent() []*v1.Node {
	judged := v.Now
	if v.Hold != nil {
		judged = v.Hold.GetSince().AsTime()
	}
	return slices.DeleteFunc(slices.Clone(v.Nodes), func(n *v1.Node) bool {
		return n.GetState() == v1.NodeState_NODE_STATE_DOWN && n.GetStateSince() != nil && v.Silent(n.GetId()) &&
			!judged.Before(n.GetStateSince().AsTime().Add(v.replaceAfter()))
	})
}

// silence is who is silent, of whom.
type silence struct {
	silent []string // sorted
	of     int
	place  string // the zone or region that is silent as a whole, and alone
}

func (v GuardView) listen() silence {
	s := silence{of: len(v.Nodes)}
	var one *v1.Node
	for _, n := range v.Nodes {
		if v.Silent(n.GetId()) {
			s.silent, one = append(s.silent, n.GetId()), n
		}
	}
	slices.SortFunc(s.silent, placement.Compare)
	if len(s.silent) > 0 && len(s.silent) < s.of {
		// The rest is heard.
		s.place = v.silentPlace(one)
	}
	return s
}

// silentPlace names the zone or region whose nodes are exactly the silent ones;
// empty: there is none. A zone lies in its region: another one of that name
// elsewhere is another zone.
func (v GuardView) silentPlace(one *v1.Node) string {
	zone, region := one.GetZone() != "", one.GetRegion() != ""
	for _, n := range v.Nodes {
		silent, sameRegion := v.Silent(n.GetId()), n.GetRegion() == one.GetRegion()
		zone = zone && silent == (sameRegion && n.GetZone() == one.GetZone())
		region = region && silent == sameRegion
	}
	switch {
	case zone:
		return "zone " + one.GetZone()
	case region:
		return "region " + one.GetRegion()
	}
	return ""
}

// suspicious: so many at once that Roster's own ears may be at fault.
func (s silence) suspicious(v GuardView) bool {
	return len(s.silent) >= fewestSilent && len(s.silent)*100 > v.holdAbove()*s.of && s.place == ""
}

// over says why a hold ends; empty: it goes on.
func (s silence) over(v GuardView) string {
	switch {
	case overridden(v):
		why := "the operator says that the silence is real"
		if reason := v.Override.GetReason(); reason != "" {
			why += ": " + reason
		}
		return why
	case len(s.silent) == 0:
		return "every node is heard again"
	case len(s.silent)*200 < v.holdAbove()*s.of:
		return fmt.Sprintf("%d of %d nodes are silent, less than half of hold_above (%d%%)", len(s.silent), s.of, v.holdAbove())
	case s.place != "":
		return fmt.Sprintf("the %d silent nodes are exactly %s, and the rest is heard", len(s.silent), s.place)
	}
	return ""
}

func (s silence) hold(since *timestamppb.Timestamp, slow bool) *v1.Hold {
	return &v1.Hold{
		Since: since, Slow: slow, Silent: s.silent[:min(len(s.silent), mostNamed)],
		SilentCount: uint32(len(s.silent)), Registered: uint32(s.of),
		Reason: fmt.Sprintf("%d of %d nodes are silent at once, and they are not exactly one zone or region: Roster may be cut off itself", len(s.silent), s.of),
	}
}

// anyDown: nothing would be done before a node is down.
func (v GuardView) anyDown(s silence) bool {
	return v.Down == nil || slices.ContainsFunc(s.silent, v.Down)
}

// overridden: no hold is to be.
func overridden(v GuardView) bool {
	return v.Override != nil && v.Now.Before(v.Override.GetExpires().AsTime())
}

func (v GuardView) holdAbove() int {
	if p := v.Policy.GetHoldAbove(); p != nil {
		return int(p.GetValue())
	}
	return defaultHoldAbove
}

func (v GuardView) replaceAfter() time.Duration {
	if d := v.Policy.GetReplaceAfter(); d != nil {
		return d.AsDuration()
	}
	return defaultReplace
}

func (v GuardView) holdMax() time.Duration {
	if d := v.Policy.GetHoldMax(); d != nil {
		return d.AsDuration()
	}
	return defaultHoldMax
}
