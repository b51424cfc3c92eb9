package agent

import (
	"testing"

	"roster/integration/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
