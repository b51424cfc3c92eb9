// Package change shows what an operator's change does to a cluster of real
// processes: that it happens as its plan said, can be stopped, taken back and tried
// on a few nodes first, and is refused where it would break a promise. A checker of
// its own dials every endpoint throughout. It knows the binary and its commands
// only.
package change

import (
	"testing"

	"roster/integration/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
