package whatif

import (
	"fmt"
	"testing"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// estate is n nodes in nine zones of three regions under five pools, each spread
// over the zones.
func estate(t testing.TB, n int) *Cluster {
	t.Helper()
	var nodes []*v1.Node
	claims := &v1.NodeClaims{}
	for _, s := range topology.KnownServices() {
		claims.Services = append(claims.Services, &v1.ServiceClaim{Name: s, ChangeMode: v1.ChangeMode_CHANGE_MODE_LIVE})
	}
	for i := range n {
		region := string(rune('a' + i%3))
		nodes = append(nodes, &v1.Node{
			Id: fmt.Sprintf("node-%d", i+1), Region: region, Zone: fmt.Sprintf("%s%d", region, i/3%3), Capacity: 100, Claims: claims,
		})
	}
	top, err := topology.Parse("estate", []byte(`name: estate
pools:
  - {name: imap, services: [imap], weight: 4, spread: [region, zone]}
  - {name: web, services: [jmap, webdav], weight: 2, spread: [region, zone]}
  - {name: mx, services: [smtp-inbound], weight: 1, spread: [region, zone]}
  - {name: relay, services: [smtp-outbound], weight: 1, spread: [region, zone]}
  - {name: pop, services: [pop3], weight: 1, spread: [region, zone]}
`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Offline(nodes, topology.Effective(top), midday)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Up to MostPaired nodes with every two of them.
func BenchmarkSurvive(b *testing.B) {
	for _, nodes := range []int{10, 64, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			c, looked := estate(b, nodes), 0
			b.ReportAllocs()
			for b.Loop() {
				c.Survive(SurviveOptions{Pairs: true, Progress: func(_, all int) { looked = all }})
			}
			b.ReportMetric(float64(looked), "losses")
		})
	}
}

func BenchmarkOutlook(b *testing.B) {
	for _, nodes := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			c := estate(b, nodes)
			b.ReportAllocs()
			for b.Loop() {
				c.Outlook()
			}
		})
	}
}

func BenchmarkSimulate(b *testing.B) {
	for _, nodes := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("region of %d nodes", nodes), func(b *testing.B) {
			c := estate(b, nodes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Simulate([]string{"region:a"}, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
