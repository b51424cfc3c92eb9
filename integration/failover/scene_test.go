// Package failover kills real agents, with the servers that they run, under real
// members, and looks from outside at what the cluster makes of it: a checker of
// its own dials every endpoint throughout. It knows the binary and its commands
// only.
package failover

import (
	"testing"

	"roster/integration/cluster"
	"roster/integration/site"
)

// scene is a site and its test.
type scene struct {
	*site.Site
	t *testing.T
}

func newSite(t *testing.T, nodes []cluster.Node) *scene {
	t.Helper()
	return &scene{site.New(t, cluster.Options{}, nodes), t}
}

func TestMain(m *testing.M) { cluster.Main(m) }
