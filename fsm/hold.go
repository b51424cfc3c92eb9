package fsm

import (
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// judge takes the guard's judgement, which comes with the transitions that it
// was made from. It returns why it was not taken.
func (d *draft) judge(c *storev1.HoldChange, result *storev1.Result) string {
	if c == nil || !d.knows(2) {
		return ""
	}
	h := c.GetHold()
	switch {
	case h == nil && d.hold == nil:
		return ""
	case h == nil:
		d.endHold(clip(c.GetReason()))
		result.Changed = true
		return ""
	case d.override.GetExpires().AsTime().After(d.env.GetTime().AsTime()):
		return fmt.Sprintf("no hold begins until %s: %s said that the silence is real", clock(d.override.GetExpires()), d.override.GetBy())
	}
	next := &v1.Hold{
		Since: d.env.GetTime(), Reason: clip(h.GetReason()), SilentCount: h.GetSilentCount(), Registered: h.GetRegistered(), Slow: h.GetSlow(),
	}
	for _, id := range h.GetSilent()[:min(len(h.GetSilent()), maxSilent)] {
		next.Silent = append(next.Silent, clip(id))
	}
	before := d.hold
	if before != nil {
		next.Since = before.GetSince()
		if sameHold(before, next) {
			return ""
		}
	}
	d.hold, result.Changed = next, true
	switch silent := fmt.Sprintf("%d of %s are silent", next.GetSilentCount(), amount(int(next.GetRegistered()), "node")); {
	case before == nil:
		d.emit(&v1.Event{Kind: EventHoldBegan, Message: silent + "; only floors are restored", Reason: next.GetReason()})
	case next.GetSlow() != before.GetSlow():
		words := "only floors are restored again"
		if next.GetSlow() {
			words = "the hold lasted as long as it may; one repair per pool at a time is made"
		}
		d.emit(&v1.Event{Kind: EventHoldChanged, Message: silent + "; " + words, Reason: next.GetReason()})
	}
	return ""
}

// sameHold compares what is judged, not the words.
func sameHold(a, b *v1.Hold) bool {
	if a.GetSilentCount() != b.GetSilentCount() || a.GetRegistered() != b.GetRegistered() || a.GetSlow() != b.GetSlow() || len(a.GetSilent()) != len(b.GetSilent()) {
		return false
	}
	for i, id := range a.GetSilent() {
		if id != b.GetSilent()[i] {
			return false
		}
	}
	return true
}

func (d *draft) endHold(reason string) {
	d.hold = nil
	d.emit(&v1.Event{Kind: EventHoldEnded, Message: "Roster holds no longer", Reason: reason})
}

// overrideHold is the operator's word that the silence is real.
func (d *draft) overrideHold(c *storev1.OverrideHold) *storev1.Result {
	if err := checkReason(c.GetReason()); err != nil {
		return invalid(err)
	}
	expires, err := d.until("an override", c.GetExpires(), c.GetWithin(), minRestraint, maxOverride)
	if err != nil {
		return invalid(err)
	}
	if expires == nil {
		expires = timestamppb.New(d.env.GetTime().AsTime().Add(defaultOverride))
	}
	d.override = &v1.HoldOverride{Expires: expires, By: d.env.GetCaller(), Reason: c.GetReason()}
	d.emit(&v1.Event{Kind: EventHoldOverridden, Message: fmt.Sprintf("no hold begins until %s", clock(expires)), Reason: c.GetReason()})
	if d.hold != nil {
		d.endHold("an operator said that the silence is real")
	}
	return &storev1.Result{Changed: true}
}
