package status

import (
	"fmt"

	"roster/client/identity"
	"roster/fsm"
)

// walkedBack says, for as long as that revision is in force, that Roster went back
// by itself because a canary failed, and why as long as the event is kept; empty: it
// did not. A canary is judged and walked back in one command, so both have its index.
func walkedBack(in Input) string {
	now := in.State.Topology()
	if now.GetRollbackOf() == 0 || now.GetIndex() == 0 {
		return ""
	}
	failed, why := ownDoing(now.GetAuthor()), ""
	events, _, err := in.State.Events(now.GetIndex()-1, 1) // of one index all; an error: they are no longer kept
	for _, e := range events {
		if err == nil && e.GetIndex() == now.GetIndex() && e.GetKind() == fsm.EventCanaryFailed {
			failed, why = true, e.GetReason()
		}
	}
	if !failed {
		return ""
	}
	return fmt.Sprintf("The canary of revision %d failed%s. Roster went back to what revision %d says, as revision %d.",
		now.GetRevision()-1, because(why), now.GetRollbackOf(), now.GetRevision())
}

// ownDoing: no member may order a way back but the leader of itself, whose only
// reason is a canary that failed.
func ownDoing(author string) bool {
	who, err := identity.Parse(author)
	return err == nil && who.Role == identity.Member
}

// wentBack says that Roster went back by itself.
func (t *teller) wentBack() {
	if said := t.s.GetRollout().GetWalkedBack(); said != "" {
		t.say("%s", said)
	}
}
