// Package operator proves that the operator stays in charge: drains, freezes,
// hands off, replaced and removed agents, agents that are ahead, and everything
// that must be refused. Members, agents and what they run are processes of their
// own, and a checker beside them dials every endpoint. It knows Roster by its
// binary and its HTTP port alone.
package operator

import (
	"fmt"
	"os"
	"testing"

	"roster/integration/cluster"
)

// The test's own binary is also the small daemon that agents of some tests run.
func TestMain(m *testing.M) {
	if os.Getenv(envService) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	cluster.Main(m)
}
