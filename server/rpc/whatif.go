package rpc

import (
	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

// WhatIf implements WhatIfService.
type WhatIf struct {
	v1.UnimplementedWhatIfServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}
