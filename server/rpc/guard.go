package rpc

import (
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// Guard implements GuardService.
type Guard struct {
	v1.UnimplementedGuardServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}
