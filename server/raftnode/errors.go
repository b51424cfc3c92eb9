package raftnode

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

var (
	// ErrNotLeader says that nothing was done, since another member leads or
	// none does. Trying again at the leader is safe.
	ErrNotLeader = errors.New("this member is not the leader")
	// ErrUnknownOutcome says that the write may have been done, may yet be
	// done, or may never be. Trying again is safe only under the same request
	// id.
	ErrUnknownOutcome = errors.New("the outcome is not known")
	// ErrStopping says that nothing was done, since this member is stopping or
	// has stopped.
	ErrStopping = errors.New("this member is stopping")
	// ErrTooLarge says that nothing was done: the request does not fit in one
	// entry.
	ErrTooLarge = errors.New("the request is too large for one entry")
	// ErrWrongCluster says that nothing was done: the request was meant for
	// another cluster.
	ErrWrongCluster = errors.New("the request is for another cluster")

	// ErrUsed refuses to init, join or restore in a directory that holds
	// something.
	ErrUsed = errors.New("data directory is not empty")
	// ErrInUse says that another process has the data directory open.
	ErrInUse = errors.New("data directory in use")
	// ErrNoMember says that the directory was never made by init or join.
	ErrNoMember = errors.New("no member in this data directory")
	// ErrPortInUse says that something else listens on the Raft address.
	ErrPortInUse = errors.New("raft address in use")
	// ErrNotLoopback refuses to speak without certificates to another host.
	ErrNotLoopback = errors.New("without certificates only loopback addresses are accepted")

	// ErrDamaged stops a member whose files cannot be read.
	ErrDamaged = errors.New("the member's files are damaged")
	// ErrBroken stops a member whose state machine met a broken invariant.
	ErrBroken = errors.New("the state machine stopped")
	// ErrDisk stops a member whose disk hangs or fails.
	ErrDisk = errors.New("the disk does not work")
	// ErrRemoved stops a member that was taken out of the cluster.
	ErrRemoved = errors.New("this member was removed from the cluster")
	// ErrStuck stops a leader that refuses every write after a hand-over of
	// leadership that never ended. A restart mends it.
	ErrStuck = errors.New("a hand-over of leadership is stuck")

	// ErrSuperseded stops a member whose cluster went on without it: it was
	// recovered or restored, and has another epoch.
	ErrSuperseded = errors.New("this member's history of the cluster is over")
	// ErrHalfRecovered refuses a directory whose recovery broke off.
	ErrHalfRecovered = errors.New("a recovery of this member broke off")
	// ErrNothingToRecover refuses a recovery that would help nobody.
	ErrNothingToRecover = errors.New("there is nothing to recover")

	// ErrNotHandedOver says that the other member did not take over in time.
	// This one leads on, or an election follows.
	ErrNotHandedOver = errors.New("leadership was not handed over")
	// ErrUnknownMember says that no such member is in the Raft configuration.
	ErrUnknownMember = errors.New("no such member")
	// ErrLastVoter refuses to remove the only member that has a vote.
	ErrLastVoter = errors.New("the only voting member cannot be removed")
)

// fromRaft maps an error of raft for an operation that raft may have begun.
// Only where raft is known to have refused before it wrote anything is it
// ErrNotLeader; all else may have happened.
func fromRaft(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case refusedByRaft(err):
		return fmt.Errorf("%s: %w (%w)", doing, ErrNotLeader, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, ErrUnknownOutcome, err)
	}
}

// refusedByRaft tells whether raft refused before it wrote anything.
func refusedByRaft(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) ||
		errors.Is(err, raft.ErrLeadershipTransferInProgress) ||
		errors.Is(err, raft.ErrEnqueueTimeout)
}
