package topology

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// PoolName is what a pool is called that nobody named: its services, sorted,
// joined by `-`. One that would be too long ends in a number made from all of
// it. Importing what runs and mirroring it agree by this name.
func PoolName(services []string) string {
	services = slices.Compact(slices.Sorted(slices.Values(services)))
	name := strings.Join(services, "-")
	if len(name) <= maxName {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	end := fmt.Sprintf("-%08x", h.Sum32())
	return strings.TrimRight(name[:maxName-len(end)], "-") + end
}
