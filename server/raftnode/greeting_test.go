package raftnode

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	storev1 "roster/proto/roster/store/v1"
)

// met lets two members of these lineages begin a connection.
func met(t *testing.T, dials, accepts lineage) (dialed, accepted error) {
	t.Helper()
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	answered := make(chan error, 1)
	go func() { answered <- accepts.answer(b, patience, func(member string) bool { return member == "gone" }) }()
	dialed = dials.greet(a, patience)
	return dialed, <-answered
}

func TestOnlyMembersOfOneHistorySpeak(t *testing.T) {
	own := lineage{cluster: "c", epoch: 5, member: "m"}
	for name, test := range map[string]struct {
		peer       lineage
		ok, behind bool
	}{
		"the same":                       {peer: lineage{cluster: "c", epoch: 5, member: "n"}, ok: true},
		"one that does not know yet":     {peer: lineage{cluster: "c", member: "n"}, ok: true},
		"a newer history":                {peer: lineage{cluster: "c", epoch: 6, member: "n"}, behind: true},
		"an older history":               {peer: lineage{cluster: "c", epoch: 4, member: "n"}},
		"another cluster":                {peer: lineage{cluster: "d", epoch: 5, member: "n"}},
		"another cluster, later":         {peer: lineage{cluster: "d", epoch: 6, member: "n"}},
		"another cluster, not known yet": {peer: lineage{cluster: "d", member: "n"}},
	} {
		t.Run(name, func(t *testing.T) {
			dialed, accepted := met(t, own, test.peer)
			if (dialed == nil) != test.ok || (accepted == nil) != test.ok {
				t.Errorf("dialled: %v, accepted: %v", dialed, accepted)
			}
			var other *otherHistoryError
			if !test.ok && (!errors.As(dialed, &other) || other.behind() != test.behind) {
				t.Errorf("whoever dialled was told %v", dialed)
			}
		})
	}
}

func TestARemovedMemberIsToldSoWhenItComesBack(t *testing.T) {
	dialed, accepted := met(t, lineage{cluster: "c", epoch: 5, member: "gone"}, lineage{cluster: "c", epoch: 5, member: "m"})
	wantError(t, dialed, errStranger)
	wantError(t, accepted, errStranger, "gone")

	c := newClusterOf(t, 4, nil)
	gone := c.follower()
	gone.kill()
	// The record goes as well, as the API does it; here only the first has one.
	c.onLeader(func(ctx context.Context, l *testMember) error {
		_, err := l.node.Propose(ctx, []*storev1.Envelope{putMember(gone.identity)})
		return err
	})
	c.remove(gone)
	c.onLeader(func(ctx context.Context, l *testMember) error {
		_, err := l.node.Propose(ctx, []*storev1.Envelope{{Command: &storev1.Command{Command: &storev1.Command_RemoveMember{
			RemoveMember: &storev1.RemoveMember{Id: gone.identity.ID},
		}}}})
		return err
	})
	// Whoever removed it may try to send it that for a while: nobody does after a
	// restart.
	last := c.write("k", "0")
	for _, m := range c.live() {
		must(t, m.node.WaitApplied(ctxFor(t), last))
	}
	for _, m := range c.live() {
		must(t, m.halt())
		m.start()
		c.leader()
	}
	gone.start()
	wantError(t, gone.end(), ErrRemoved, "roster join", gone.dir)
	c.write("k", "1")
}

func putMember(i Identity) *storev1.Envelope {
	return &storev1.Envelope{Command: &storev1.Command{Command: &storev1.Command_PutMember{PutMember: &storev1.PutMember{Member: i.record("")}}}}
}

func TestWhoeverBeginsOtherwiseIsNoMember(t *testing.T) {
	own := lineage{cluster: "c", epoch: 5, member: "m"}
	nobody := func(string) bool { return false }
	for name, said := range map[string]string{
		"a browser":     "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"gRPC":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"nothing":       "\n",
		"no epoch":      greetingWord + " c 5\n",
		"a word":        greetingWord + " c five m\n",
		"a long line":   strings.Repeat("x", 1<<12),
		"half and gone": greetingWord,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			go func() {
				_, _ = io.WriteString(a, said)
				_ = a.Close()
			}()
			if err := own.answer(b, patience, nobody); err == nil {
				t.Error("it was let in")
			}
			_ = b.Close()
		})
	}
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	if err := own.answer(b, 10*time.Millisecond, nobody); err == nil {
		t.Error("whoever says nothing was let in")
	}
}

func TestMembersMadeBeforeEpochsWereKeptSpeakByTheirStates(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.write("k", "1")
	for _, m := range c.members {
		must(t, m.halt())
		m.identity.Epoch = 0
		must(t, m.identity.write(m.dir))
	}
	for _, m := range c.members {
		m.start()
	}
	last := c.write("k", "2")
	for _, m := range c.members {
		must(t, m.node.WaitApplied(ctxFor(t), last))
		eventually(t, "the epoch is kept", func() bool {
			kept, err := Load(m.dir)
			return err == nil && kept.Epoch != 0 && kept.Epoch == m.node.lineage().epoch
		})
	}
}
