package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Figure is one row of the table.
type Figure struct{ What, Value, Notes string }

// Table draws the figures.
func Table(figures []Figure) string {
	widths := [2]int{}
	for _, f := range figures {
		widths[0], widths[1] = max(widths[0], len([]rune(f.What))), max(widths[1], len([]rune(f.Value)))
	}
	var out strings.Builder
	for _, f := range figures {
		fmt.Fprintf(&out, "%-*s  %*s  %s\n", widths[0], f.What, widths[1], f.Value, f.Notes)
	}
	return out.String()
}

// percentile is the smallest time that p percent of all do not exceed.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, (len(sorted)*p+99)/100-1)]
}

// millis writes a time in milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
