package fsm

import (
	"strings"
	"testing"
	"time"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func ofCount(n uint32) *v1.Topology {
	return &v1.Topology{Name: "count", Pools: []*v1.Pool{{Name: "all", Services: []string{"imap"}, Size: &v1.Pool_Count{Count: n}}}}
}

func TestAShortageThatADrainMakesNamesTheDrainAndItsMend(t *testing.T) {
	b := initialised(t)
	b.nodes(3)
	b.topology(ofCount(1))
	b.mustDo(drainOf("node-2", time.Hour))
	message := b.refuse(ReasonShortage, &storev1.ApplyTopology{Topology: ofCount(3), AllowStop: true}).GetRefusal().GetMessage()
	for _, part := range []string{"in conflict with the drain of node-2", "`roster node undrain node-2`", "--accept-shortage"} {
		if !strings.Contains(message, part) {
			t.Errorf("it does not say %q: %s", part, message)
		}
	}
	s := b.m.State()
	effective := topologyOf(ofCount(3))
	if mend := ShortageMend(s, effective, b.now); !strings.Contains(message, mend) {
		t.Errorf("a plan says another mend: %s", mend)
	}
	b.mustDo(drainOf("node-3", time.Hour))
	message = b.refuse(ReasonShortage, &storev1.ApplyTopology{Topology: ofCount(3), AllowStop: true}).GetRefusal().GetMessage()
	if !strings.Contains(message, "the drain of node-2 and node-3") {
		t.Errorf("it does not name both: %s", message)
	}
	b.mustDo(&storev1.DrainNode{Id: "node-2"})
	b.mustDo(&storev1.DrainNode{Id: "node-3"})
	b.mustDo(&storev1.ApplyTopology{Topology: ofCount(3), AllowStop: true})
}

func TestAShortageThatNoDrainMakesBlamesNone(t *testing.T) {
	b := initialised(t)
	b.nodes(2)
	top := ofCount(3)
	top.Pools[0].Exclude = []string{"node-2"}
	b.mustDo(drainOf("node-2", time.Hour))
	if message := b.refuse(ReasonShortage, &storev1.ApplyTopology{Topology: top}).GetRefusal().GetMessage(); strings.Contains(message, "drain") {
		t.Errorf("a drain is blamed: %s", message)
	}
}
