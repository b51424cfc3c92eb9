package raftnode

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

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
