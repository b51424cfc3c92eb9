package whatif

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// estate is n nodes in nine zones of three regions under five pools, each spread
// over the zones.
func estate(t testing.TB, n int) *Cluster {
	t.Helper()
	var nodes []*v1.Node
	all := topology.KnownServices()
	for i := range n {
		claims := &v1.NodeClaims{}
		for _, s := range all {
			claims.Services = append(claims.Services, &v1.ServiceClaim{Name: s, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
		}
		region := string(rune('a' + i%3))
		nodes = append(nodes, &v1.Node{
			Id: fmt.Sprintf("node-%d", i+1), Region: region, Zone: fmt.Sprintf("%s%d", region, i/3%3), Capacity: 100, Claims: claims,
		})
	}
	src := `name: estate
pools:
  - {name: imap, services: [imap], weight: 4, spread: [region, zone]}
  - {name: web, services: [jmap, webdav], weight: 2, spread: [region, zone]}
  - {name: mx, services: [smtp-inbound], weight: 1, spread: [region, zone]}
  - {name: relay, services: [smtp-outbound], weight: 1, spread: [region, zone]}
  - {name: pop, services: [pop3], weight: 1, spread: [region, zone]}
`
	top, err := topology.Parse("estate", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Offline(nodes, topology.Effective(top), noon)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// How long it takes is printed, and never judged.
func TestASurveyOfManyNodesIsPrinted(t *testing.T) {
	for _, size := range []struct {
		nodes int
		pairs bool
	}{{100, true}, {1000, true}, {10_000, true}} {
		if size.nodes > 1000 && testing.Short() {
			continue
		}
		c := estate(t, size.nodes)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin, looked := time.Now(), 0
		r := c.Survive(SurviveOptions{Pairs: size.pairs, Progress: func(_, all int) { looked = all }})
		runtime.ReadMemStats(&after)
		t.Logf("%d nodes: %s for %d kinds of losses, %d listed, %d MiB allocated; %s", size.nodes, time.Since(begin).Round(time.Millisecond), looked,
			len(r.GetLosses()), (after.TotalAlloc-before.TotalAlloc)>>20, r.GetLeftOut())
	}
}
