package agent

import (
	"testing"
	"time"
)

// Whoever lost the same member at the same moment must not come to the next one
// at the same moment.
func TestPausesAreSpreadOverTheirWholeLength(t *testing.T) {
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		p := jitter(time.Second)
		shortest, longest = min(shortest, p), max(longest, p)
	}
	if shortest < 0 || shortest > time.Second/10 || longest < 9*time.Second/10 || longest > time.Second {
		t.Errorf("of a second: from %s to %s", shortest, longest)
	}
}
