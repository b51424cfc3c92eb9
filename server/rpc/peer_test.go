package rpc

import "testing"

// A vote that lags makes every majority slower, and one loss more dangerous.
func TestAMemberGetsAVoteOnceItHasCaughtUp(t *testing.T) {
	for _, test := range []struct {
		applied, commit uint64
		want            bool
	}{
		{0, 1000, false},
		{1000 - promoteWithin - 1, 1000, false},
		{1000 - promoteWithin, 1000, true},
		{1000, 1000, true},
		{1001, 1000, true},
	} {
		if got := caughtUp(test.applied, test.commit); got != test.want {
			t.Errorf("%d applied of %d: %t", test.applied, test.commit, got)
		}
	}
}
