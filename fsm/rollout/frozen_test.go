package rollout

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// A freeze of a place sends what is to be begun elsewhere, until it ends; one of
// everything, of a pool or of a service knows no elsewhere.
func TestAFrozenPlaceGetsNothingNew(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	node := &v1.Node{Id: "node-1", Region: "a", Zone: "a1"}
	for scope, want := range map[string]bool{
		"node:node-1": true, "zone:a1": true, "region:a": true, "node:node-2": false, "zone:a2": false, "region:b": false,
		"all": false, "pool:imap": false, "service:imap": false,
	} {
		closed := FrozenPlaces([]*v1.Freeze{{Scope: scope, Expires: timestamppb.New(now.Add(time.Minute))}}, now)
		if got := closed != nil && closed(node); got != want {
			t.Errorf("%s: %v, want %v", scope, got, want)
		}
		if closed := FrozenPlaces([]*v1.Freeze{{Scope: scope, Expires: timestamppb.New(now)}}, now); closed != nil {
			t.Errorf("%s: frozen after its time", scope)
		}
	}
}
