package status

import (
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// freezesInForce are those whose time has not passed, oldest first.
func freezesInForce(all []*v1.Freeze, now time.Time) []*v1.Freeze {
	in := make([]*v1.Freeze, 0, len(all))
	for _, f := range all {
		if f.GetExpires().AsTime().After(now) {
			in = append(in, f)
		}
	}
	slices.SortStableFunc(in, func(a, b *v1.Freeze) int { return a.GetSince().AsTime().Compare(b.GetSince().AsTime()) })
	return in
}

// restraints says what keeps Roster from acting: these sentences come first.
func (t *teller) restraints() {
	sayEach(t, t.s.GetFreezes(), func(f *v1.Freeze) string {
		return "Frozen: " + f.GetScope() + " until " + ahead(t.in.Now, f.GetExpires()) + by(f.GetBy(), f.GetReason()) + "."
	})
	t.paused()
	h := t.s.GetHold()
	if h == nil {
		return
	}
	t.say("Holding since %s%s.", clock(t.in.Now, h.GetSince()), because(h.GetReason()))
	t.say("%d of %d nodes are silent: %s.", h.GetSilentCount(), h.GetRegistered(), list(h.GetSilent()))
	over := t.f.policy.GetHoldAbove().GetValue()
	switch {
	case h.GetSlow():
		t.say("hold_max has passed: one repair of each pool is made at a time. It ends when fewer than %s of the nodes are silent, or once the silent ones are exactly one zone or region.", half(over))
	default:
		t.say("Only moves that restore a floor are made. It ends when fewer than %s of the nodes are silent, or once the silent ones are exactly one zone or region; from %s on one repair of each pool is made at a time.",
			half(over), clock(t.in.Now, after(h.GetSince(), t.f.policy.GetHoldMax().AsDuration())))
	}
}

// half of a percentage, for people.
func half(percent uint32) string {
	text := strconv.Itoa(int(percent / 2))
	if percent%2 == 1 {
		text += ".5"
	}
	return text + " %"
}

func after(at *timestamppb.Timestamp, d time.Duration) *timestamppb.Timestamp {
	return timestamppb.New(at.AsTime().Add(d))
}
