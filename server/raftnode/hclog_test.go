package raftnode

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func TestRaftsMessagesReachTheLogReadably(t *testing.T) {
	var out bytes.Buffer
	logger := newRaftLog(slog.New(slog.NewTextHandler(&out, nil)))
	logger.Debug("not at this level")
	logger.Named("net").With("peer", "p1").Warn("told", "servers", hclog.Fmt("%d of %v", 2, []string{"a"}), "state", raft.Leader, "error", errors.New("why"))
	logger.Error("failed")
	got := out.String()
	for _, want := range []string{`level=INFO msg="raft.net: told" peer=p1 servers="2 of [a]" state=Leader error=why`, `level=WARN msg="raft: failed"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "not at this level") {
		t.Error(got)
	}
	if logger.IsDebug() || !logger.IsWarn() {
		t.Error("levels are not those of the handler")
	}
}

func TestWhatEveryNewMemberGoesThroughIsNoWarning(t *testing.T) {
	var out bytes.Buffer
	logger := newRaftLog(slog.New(slog.NewTextHandler(&out, nil)))
	logger.Warn("failed to get previous log", "previous-index", 7, "error", raft.ErrLogNotFound)
	logger.Warn("unable to get address for server, using fallback address", "error", ErrUnknownMember)
	if out.Len() > 0 {
		t.Error(out.String())
	}
	logger.Warn("failed to get previous log", "previous-index", 7, "error", errors.New("bad sector"))
	if !strings.Contains(out.String(), "bad sector") {
		t.Error("a fault of the disk is not told")
	}
}

func TestAMemberThatIsAwayDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := newRaftLog(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func(want int) {
			t.Helper()
			if got := strings.Count(out.String(), "\n"); got != want {
				t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
			}
		}
		for range 100 {
			logger.Error("failed to heartbeat to", "peer", raft.ServerAddress("a:1"), "error", errors.New("refused"))
			logger.Error("failed to heartbeat to", "peer", raft.ServerAddress("b:1"), "error", errors.New("refused"))
		}
		lines(2) // one for each member
		time.Sleep(sayAgain)
		logger.Error("failed to heartbeat to", "peer", raft.ServerAddress("a:1"), "error", errors.New("refused"))
		lines(3)
		logger.Error("something else")
		logger.Error("something else")
		lines(5)
	})
}
