// Package members proves what becomes of a cluster when its members go: killed
// with writes going on, replaced, left, lost for good and restored. Members and
// agents are processes of their own, the mail services are the agents' small
// servers, and both are looked at from outside: acknowledged writes by a client,
// the services by dialling them all the time. It knows Roster by its binary and
// its Go client alone.
package members

import (
	"testing"

	"roster/integration/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
