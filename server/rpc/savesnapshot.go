package rpc

import (
	"google.golang.org/grpc"

	v1 "roster/proto/roster/v1"
)

// pieceSize is how much of a snapshot one message carries: far below what gRPC
// clients take by default.
const pieceSize = 256 << 10

// SaveSnapshot implements ClusterService. It sends the state as it is when the
// call begins, however long it takes; nobody waits for it.
func (c *Cluster) SaveSnapshot(r *v1.SaveSnapshotRequest, stream v1.ClusterService_SaveSnapshotServer) error {
	ctx := stream.Context()
	// A member that has just started has nothing worth saving yet.
	if _, err := knownCluster(ctx, c.Machine); err != nil {
		return toStatus(err)
	}
	if _, err := read(ctx, c.Gate, c.Machine, r.GetStale()); err != nil {
		return err
	}
	snapshot := c.Machine.Snapshot()
	out := &pieces{stream: stream, index: snapshot.Index()}
	_, err := snapshot.WriteTo(out)
	return toStatus(err)
}

// pieces is a writer that sends what is written.
type pieces struct {
	stream grpc.ServerStreamingServer[v1.SaveSnapshotResponse]
	index  uint64 // told with the first piece
}

func (p *pieces) Write(b []byte) (written int, err error) {
	for written < len(b) {
		data := b[written:min(written+pieceSize, len(b))]
		// Send is done with data when it returns.
		if err := p.stream.Send(&v1.SaveSnapshotResponse{Data: data, Index: p.index}); err != nil {
			return written, err
		}
		written, p.index = written+len(data), 0
	}
	return written, nil
}
