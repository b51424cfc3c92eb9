package topology

import "embed"

//go:embed examples/*.yaml
var examples embed.FS

// Examples lists the names of the embedded topologies.
func Examples() []string {
	return []string{"unified", "service-specific", "weighted", "paired", "geographic", "mixed"}
}

// Example returns an embedded topology file by name.
func Example(name string) ([]byte, bool) {
	for _, known := range Examples() {
		if name == known {
			src, err := examples.ReadFile("examples/" + name + ".yaml")
			return src, err == nil
		}
	}
	return nil, false
}

// ExampleNodes returns the embedded nodes that the examples are written for.
func ExampleNodes() []byte {
	src, _ := examples.ReadFile("examples/nodes.yaml") // embedded: cannot fail
	return src
}
