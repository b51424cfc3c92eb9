package fsm

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

// crowded is a machine with 10,000 nodes that serve five services each.
func crowded(b *testing.B) *rig {
	r := initialised(b)
	r.topology(unified(allServices...))
	for from := 0; from < 10_000; from += 500 {
		var registers, starts, reports []*storev1.Envelope
		wave := &storev1.MoveAssignments{TopologyRevision: 1}
		for i := range 500 {
			id := nodeID(from + i + 1)
			registers = append(registers, r.envelope(&storev1.RegisterNode{Id: id, Instance: instance(id), Claims: claims(allServices...)}))
			part := &storev1.NodeMoves{Basis: &storev1.NodeBasis{Node: id, Generation: firstGeneration, State: 1}}
			report := &storev1.ReportNode{Id: id, Instance: instance(id), ReportedGeneration: firstGeneration + 1}
			for _, s := range allServices {
				part.Moves = append(part.Moves, start(id, s))
				report.Reports = append(report.Reports, report1(s))
			}
			wave.Nodes = append(wave.Nodes, part)
			reports = append(reports, r.envelope(report))
		}
		starts = append(starts, r.envelope(wave))
		for _, envelopes := range [][]*storev1.Envelope{registers, starts, reports} {
			if _, err := r.apply(envelopes...); err != nil {
				b.Fatal(err)
			}
		}
	}
	r.log = nil
	if n := r.m.State().ReadyCounts()["imap"]; n != 10_000 {
		b.Fatalf("%d ready", n)
	}
	return r
}

// A label of one node among 10,000: event and request id included.
func BenchmarkLabelUpdate(b *testing.B) {
	r := crowded(b)
	for _, batch := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			// Entries are made aside: Apply is what is measured.
			const ahead = 64
			var entries [][]byte
			for done := 0; done < b.N; {
				if len(entries) == 0 {
					b.StopTimer()
					for range ahead {
						var envelopes []*storev1.Envelope
						for range batch {
							r.ids++
							env := r.envelope(&storev1.UpdateNode{Id: nodeID(int(r.ids*7919%10_000) + 1), SetLabels: map[string]string{"rack": fmt.Sprint(r.ids)}})
							env.RequestId = requestID(r.ids)
							envelopes = append(envelopes, env)
						}
						entry, err := EncodeEntry(envelopes)
						if err != nil {
							b.Fatal(err)
						}
						entries = append(entries, entry)
					}
					b.StartTimer()
				}
				r.index++
				if _, err := r.m.Apply(r.index, entries[0]); err != nil {
					b.Fatal(err)
				}
				entries, done = entries[1:], done+batch
			}
		})
	}
}

// One report of a transition, which changes what is ready.
func BenchmarkReport(b *testing.B) {
	r := crowded(b)
	b.ReportAllocs()
	for i := range b.N {
		id := nodeID(i*7919%10_000 + 1)
		state := failing
		if i/10_000%2 == 1 {
			state = serving
		}
		r.send(r.envelope(r.reports(id, state, allServices...)))
		r.log = nil
	}
}

func BenchmarkSnapshotAndRestore(b *testing.B) {
	r := crowded(b)
	var snap bytes.Buffer
	if _, err := r.m.Snapshot().WriteTo(&snap); err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		for range b.N {
			n, err := r.m.Snapshot().WriteTo(io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
	b.Run("restore", func(b *testing.B) {
		b.SetBytes(int64(snap.Len()))
		for range b.N {
			if err := New().Restore(bytes.NewReader(snap.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash", func(b *testing.B) {
		for range b.N {
			r.m.State().Hash()
		}
	})
}
