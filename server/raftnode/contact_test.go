package raftnode

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// peer is a transport to one other member, which lives or not.
type peer struct {
	raft.Transport
	dead bool
}

func (p *peer) AppendEntries(raft.ServerID, raft.ServerAddress, *raft.AppendEntriesRequest, *raft.AppendEntriesResponse) error {
	if p.dead {
		return errors.New("connection refused")
	}
	return nil // whatever it says, it lives
}

func TestSilenceBeginsWithTheLastAnswerAndAnewWithEachTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{dead: true}
		w := newWitness(p)
		ask := func(term uint64) {
			_ = w.AppendEntries("m2", "", &raft.AppendEntriesRequest{Term: term}, &raft.AppendEntriesResponse{})
		}
		want := func(term uint64, silent time.Duration) {
			t.Helper()
			if got := w.silent(term, time.Now()); got["m2"] != silent || len(got) != 1 {
				t.Errorf("silent in term %d: %v, want %s", term, got, silent)
			}
		}
		time.Sleep(time.Hour) // a follower asks nobody
		ask(1)
		want(1, 0)
		time.Sleep(5 * time.Second)
		ask(1)
		want(1, 5*time.Second)
		p.dead = false
		ask(1)
		want(1, 0)
		p.dead = true
		time.Sleep(2 * time.Second)
		ask(1)
		want(1, 2*time.Second)
		time.Sleep(time.Hour) // another member led
		ask(3)
		want(3, 0)
		if got := w.silent(4, time.Now()); len(got) != 0 {
			t.Errorf("nobody was asked in term 4: %v", got)
		}
	})
}
