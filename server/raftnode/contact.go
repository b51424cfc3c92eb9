package raftnode

import (
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// contact is when a member was last heard in the newest term in which this one
// asked it; before its first answer there, when it was first asked.
type contact struct {
	term uint64
	at   time.Time
}

// ask notes that a member is asked in a term.
func (w *witness) ask(id raft.ServerID, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.contacts[id]; !ok || c.term < term {
		w.contacts[id] = contact{term: term, at: time.Now()}
	}
}

// hear notes that a member answered, whatever it said.
func (w *witness) hear(id raft.ServerID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.contacts[id]
	c.at = time.Now()
	w.contacts[id] = c
}

// silent is for how long each member that is asked in a term or after it has not answered.
func (w *witness) silent(term uint64, now time.Time) map[string]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]time.Duration, len(w.contacts))
	for id, c := range w.contacts {
		if c.term >= term { // later: asked for a vote that it would need there
			out[string(id)] = max(0, now.Sub(c.at))
		}
	}
	return out
}

// RequestVote implements raft.Transport.
func (w *witness) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	w.ask(id, args.Term)
	err := w.Transport.RequestVote(id, target, args, resp)
	if err == nil {
		w.hear(id)
	}
	return err
}

// InstallSnapshot implements raft.Transport: a member that takes a large
// snapshot lives.
func (w *witness) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	err := w.Transport.InstallSnapshot(id, target, args, resp, data)
	if err == nil {
		w.hear(id)
	}
	return err
}

// Silent is for how long each other member of the group has not answered this
// one, which leads; false where it does not. A member that was never heard is
// silent since this one began to lead, or since it was added.
func (n *Node) Silent() (map[string]time.Duration, bool) {
	if reign, _ := n.throne.now(); reign == nil || n.raft() == nil {
		return nil, false
	}
	return n.unanswered(), true
}

// Unanswered is for how long members did not answer this one, which asks them
// for their votes since it knows no leader. Members that it has not asked yet
// are missing.
func (n *Node) Unanswered() map[string]time.Duration {
	if _, ok := n.Leader(); ok || n.raft() == nil {
		return nil
	}
	return n.unanswered()
}

func (n *Node) unanswered() map[string]time.Duration {
	silent := n.witness.silent(n.raft().CurrentTerm(), time.Now())
	known := map[string]bool{}
	for _, s := range n.Servers() {
		known[s.ID] = true
	}
	for id := range silent {
		if !known[id] || id == n.cfg.Identity.ID {
			delete(silent, id) // it was removed
		}
	}
	return silent
}
