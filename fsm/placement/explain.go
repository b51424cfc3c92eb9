package placement

import (
	"errors"
	"fmt"

	v1 "roster/proto/roster/v1"
)

// What Explain cannot answer.
var (
	ErrUnknownService = errors.New("no such service")
	ErrUnknownNode    = errors.New("no such node")
)

// Explain says why a service is on a node, or why it is not, and why the node is
// no member of each other pool that has the service.
func Explain(v View, service, node string) (*v1.ExplainResponse, error) {
	return nil, fmt.Errorf("%w: %s", ErrUnknownService, service)
}
