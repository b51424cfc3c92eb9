package placement

import v1 "roster/proto/roster/v1"

// Label reads a node's label; region, zone and id are labels, too.
func Label(n *v1.Node, key string) (string, bool) { return label(n, key) }
