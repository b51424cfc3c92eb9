package status

import v1 "roster/proto/roster/v1"

// Word is the first word of status for people. Programs use the enum's own, in
// lower case: `floor_broken`.
func Word(state v1.StatusState) string {
	switch state {
	case v1.StatusState_STATUS_STATE_OK:
		return "OK"
	case v1.StatusState_STATUS_STATE_DEGRADED:
		return "DEGRADED, floors kept"
	case v1.StatusState_STATUS_STATE_HOLDING:
		return "HOLDING"
	case v1.StatusState_STATUS_STATE_FROZEN:
		return "FROZEN"
	case v1.StatusState_STATUS_STATE_FLOOR_BROKEN:
		return "FLOOR BROKEN"
	case v1.StatusState_STATUS_STATE_NO_QUORUM:
		return "NO QUORUM, nodes serve on"
	default:
		return "UNKNOWN"
	}
}
