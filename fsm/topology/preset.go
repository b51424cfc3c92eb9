package topology

import (
	"errors"
	"slices"

	v1 "roster/proto/roster/v1"
)

// models are the presets' names, in the order in which they are told.
var models = []string{"unified", "service-specific", "weighted", "paired", "geographic"}

// Models are the names of the topologies that Preset can write.
func Models() []string { return slices.Clone(models) }

// Preset is the topology of a model, written for these nodes.
func Preset(model string, nodes []*v1.Node) (*v1.Topology, error) {
	return nil, errors.New("preset " + model + ": not written yet")
}
