// Package raftnode makes a replicated log out of a data directory and a
// listener: it is a member's part in the Raft group.
//
// It owns the data directory (member.json, the log, the snapshots, the lock),
// the Raft transport, proposing with group commit, the read index, leadership
// as a context, membership, and the watch over the disk. It is the only
// package that imports hashicorp/raft. It knows the state machine as something
// that applies entries, writes snapshots and reads them; it does not know what
// commands mean (except the two that a new cluster begins with), nor gRPC, nor
// how a request is forwarded to the leader.
//
// Open takes hold of the directory, Run does everything else and blocks. All
// methods of Node may be called from any goroutine, before, during and after
// Run; before it they wait, after it they answer ErrStopping. Each goroutine
// that Run starts has ended when it returns, unless the disk hangs: then
// nothing can be waited for, and the process has to end.
package raftnode
