package rpc

import (
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// Plans implements PlanService.
type Plans struct {
	v1.UnimplementedPlanServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}
