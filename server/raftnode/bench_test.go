package raftnode

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

// BenchmarkPropose writes to real disks, fsync on, and prints writes/s:
// a member's record, the event of its change included.
func BenchmarkPropose(b *testing.B) {
	for _, members := range []int{1, 3} {
		for _, callers := range []int{1, 256, 1024} {
			b.Run(fmt.Sprintf("members=%d/callers=%d", members, callers), func(b *testing.B) {
				benchmarkPropose(b, members, callers)
			})
		}
	}
}

func benchmarkPropose(b *testing.B, members, callers int) {
	c := newClusterOf(b, members, nil)
	leader := c.leader()
	before := leader.node.entries.Load()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if _, err := leader.node.Propose(context.Background(), []*storev1.Envelope{put(fmt.Sprintf("k%d", i%8), fmt.Sprint(i))}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	b.ReportMetric(float64(b.N)/float64(leader.node.entries.Load()-before), "writes/entry")
}
