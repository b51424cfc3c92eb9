package adoption

import (
	"testing"

	"roster/integration/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
