package raftnode

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// restoredAt is a member whose log begins right above its snapshot.
func restoredAt(t *testing.T, index, term uint64) *edgeStore {
	t.Helper()
	snapshots := raft.NewInmemSnapshotStore()
	sink, err := snapshots.Create(1, index, term, raft.Configuration{}, 1, nil)
	must(t, err)
	must(t, sink.Close())
	log := raft.NewInmemStore()
	must(t, log.StoreLog(&raft.Log{Index: index + 1, Term: term, Type: raft.LogCommand}))
	return &edgeStore{LogStore: log, snapshots: snapshots}
}

func TestTheEntryBelowTheLogIsKnownByItsSnapshot(t *testing.T) {
	s := restoredAt(t, 68, 3)
	var entry raft.Log
	must(t, s.GetLog(68, &entry))
	if entry.Index != 68 || entry.Term != 3 || len(entry.Data) != 0 {
		t.Errorf("entry 68: %+v", entry)
	}
	must(t, s.GetLog(69, &entry))
	if entry.Index != 69 || entry.Type != raft.LogCommand {
		t.Errorf("entry 69: %+v", entry)
	}
	for _, none := range []uint64{67, 70} {
		if err := s.GetLog(none, &entry); !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("entry %d: %v", none, err)
		}
	}
}

// A follower answers what the leader sends it after a snapshot, even if it has
// stored that already and its answer was lost.
func TestAFollowerThatStoredMoreThanItsSnapshotIsNotSentItAgain(t *testing.T) {
	s := restoredAt(t, 68, 3)
	_, transport := raft.NewInmemTransport("follower")
	addr, leader := raft.NewInmemTransport("leader")
	leader.Connect("follower", transport)
	transport.Connect(addr, leader)
	conf := raft.DefaultConfig()
	conf.LocalID, conf.Logger = "follower", newRaftLog(testLogger(t, "follower"))
	conf.NoSnapshotRestoreOnStart = true
	stable := raft.NewInmemStore()
	must(t, stable.SetUint64([]byte("CurrentTerm"), 3))
	r, err := raft.NewRaft(conf, &raft.MockFSM{}, s, stable, s.snapshots, transport)
	must(t, err)
	defer func() { must(t, r.Shutdown().Error()) }()
	var answer raft.AppendEntriesResponse
	must(t, leader.AppendEntries("follower", "follower", &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("leader"), Addr: []byte("leader")},
		Term:      3, PrevLogEntry: 68, PrevLogTerm: 3, LeaderCommitIndex: 69,
		Entries: []*raft.Log{{Index: 69, Term: 3, Type: raft.LogCommand}},
	}, &answer))
	if !answer.Success {
		t.Errorf("refused: %+v", answer)
	}
}
