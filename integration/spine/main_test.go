// Package spine proves the whole of Roster as its operators meet it: members,
// agents and `roster dev` as processes, real mail daemons where the machine has
// them, the command line in front, and the checker's verdict from outside. It
// knows Roster by its binary alone, apart from the Go client for writes by the
// thousand.
package spine

import (
	"testing"

	"roster/integration/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
