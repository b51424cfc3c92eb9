package rpc

import (
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// Rollouts implements RolloutService.
type Rollouts struct {
	v1.UnimplementedRolloutServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}
