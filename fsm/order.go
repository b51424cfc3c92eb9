package fsm

import (
	"maps"
	"slices"
)

// sortedKeys is the only way this package walks over a map whose order could
// show.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
