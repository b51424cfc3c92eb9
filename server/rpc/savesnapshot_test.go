package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"

	"roster/fsm"
)

func (l *live) saved(r *v1.SaveSnapshotRequest) (file []byte, indexes []uint64, largest int, err error) {
	stream, err := l.cluster().SaveSnapshot(l.t.Context(), r)
	if err != nil {
		return nil, nil, 0, err
	}
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return file, indexes, largest, nil
		}
		if err != nil {
			return nil, nil, 0, err
		}
		file, indexes, largest = append(file, piece.GetData()...), append(indexes, piece.GetIndex()), max(largest, len(piece.GetData()))
	}
}

func TestASavedSnapshotIsTheStateInPiecesThatEveryClientTakes(t *testing.T) {
	l := serve(t)
	for i := range 2000 {
		l.log.Register(fmt.Sprintf("node-%d", i), "imap", "jmap")
	}
	file, indexes, largest, err := l.saved(&v1.SaveSnapshotRequest{})
	l.must(err)
	state := l.log.Machine.State()
	if len(indexes) < 2 || largest > pieceSize || indexes[0] != state.Index() || indexes[1] != 0 {
		t.Errorf("%d bytes in %d pieces of at most %d; indexes %v, the state's is %d", len(file), len(indexes), largest, indexes[:2], state.Index())
	}
	restored := fsm.New()
	l.must(restored.Restore(bytes.NewReader(file)))
	if !bytes.Equal(restored.State().Hash(), state.Hash()) {
		t.Error("what was saved is not the state")
	}
}

func TestASnapshotIsSavedWithoutALeaderOnlyIfAnOldOneWillDo(t *testing.T) {
	l := serve(t)
	l.group.lost = true
	_, _, _, err := l.saved(&v1.SaveSnapshotRequest{})
	l.refuse(err, want{codes.Unavailable, "NO_LEADER", "roster status"})
	if file, _, _, err := l.saved(&v1.SaveSnapshotRequest{Stale: true}); err != nil || len(file) == 0 {
		t.Errorf("stale: %d bytes, %v", len(file), err)
	}
}

// One record may be larger than a piece.
func TestALargeWriteIsCutIntoPieces(t *testing.T) {
	s := &seen[v1.SaveSnapshotResponse]{ctx: t.Context()}
	p := &pieces{stream: s, index: 7}
	data := bytes.Repeat([]byte("0123456789"), pieceSize/10+1)
	if n, err := p.Write(data); n != len(data) || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	var got []byte
	for _, m := range s.got {
		got = append(got, m.GetData()...)
	}
	if len(s.got) != 2 || !bytes.Equal(got, data) || s.got[0].GetIndex() != 7 || s.got[1].GetIndex() != 0 {
		t.Errorf("%d pieces of %d bytes", len(s.got), len(got))
	}
}
