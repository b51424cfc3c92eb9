package whatif

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The figures and mends of the page are those of the example.
func TestTheTablesInTheDocsAreTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/whatif.md")
	if err != nil {
		t.Fatal(err)
	}
	c := example(t, "geographic")
	s := c.survey()
	r := c.Survive(SurviveOptions{Pairs: true})
	mends := map[string]string{}
	for _, l := range r.GetFatalAtOnce() {
		mends[nameOf(l.GetKind().String(), l.GetLost())] = strings.Join(l.GetMends(), "; ")
	}
	figures := map[string]string{"nothing": cells(s.ready, s.ready)}
	for _, l := range r.GetLosses() {
		var ready, recovered []uint32
		for _, service := range l.GetServices() {
			ready, recovered = append(ready, service.GetReady()), append(recovered, service.GetRecovered())
		}
		figures[nameOf(l.GetKind().String(), l.GetLost())] = cells(ready, recovered)
	}
	rows := 0
	for _, row := range strings.Split(string(text), "\n") {
		parts := strings.Split(row, " | ")
		name := strings.TrimPrefix(parts[0], "| ")
		if len(parts) == 2 && mends[name] != "" {
			rows++
			if got := strings.TrimSuffix(parts[1], " |"); got != mends[name] {
				t.Errorf("%s: the page has %q, and it is %q", name, got, mends[name])
			}
		}
		if len(parts) == 6 && figures[name] != "" {
			rows++
			if got := strings.TrimSuffix(strings.Join(parts[1:], " | "), " |"); got != figures[name] {
				t.Errorf("%s: the page has %s, and it is %s", name, got, figures[name])
			}
		}
	}
	if rows != 12+len(mends) {
		t.Errorf("%d rows were recognised", rows)
	}
}

func nameOf(kind string, lost []string) string {
	name := strings.Join(lost, " ")
	if place := strings.ToLower(strings.TrimPrefix(kind, "LOSS_KIND_")); place == "zone" || place == "region" {
		name = place + " " + name
	}
	return name
}

func cells(ready, recovered []uint32) string {
	var out []string
	for i, n := range ready {
		cell := fmt.Sprint(n)
		if n == 0 {
			cell = "**0**"
		}
		if recovered[i] != n {
			cell += fmt.Sprintf(" → %d", recovered[i])
		}
		out = append(out, cell)
	}
	return strings.Join(out, " | ")
}
