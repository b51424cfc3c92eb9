package agent

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "roster/proto/roster/v1"
)

func TestAHelloSaysWhoTheAgentIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.cfg.Version = "v1"
		r.cfg.Claims.Services[0].RestartGroup = "mail"
		m := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("a heartbeat", func() bool { return m.count() > 0 })
		hello := m.greeted()[0]
		if hello.GetNode() != "node-1" || len(hello.GetInstance()) != 32 || hello.GetClusterId() != "" || hello.GetVersion() != "v1" {
			t.Fatalf("hello: %v", hello)
		}
		claim := hello.GetClaims().GetServices()[0]
		if claim.GetChangeMode() != v1.ChangeMode_CHANGE_MODE_RESTART || claim.GetEndpoints()[0].GetService() != "imap" ||
			claim.GetEndpoints()[0].GetNode() != "node-1" || hello.GetClaims().GetZone() != "a1" {
			t.Fatalf("claims: %v", hello.GetClaims())
		}
		r.stop()
		r.start()
		r.settle("another hello", func() bool { return len(m.greeted()) > 1 })
		if again := m.greeted()[1]; again.GetInstance() != hello.GetInstance() || again.GetClusterId() != clusterA {
			t.Fatalf("hello after a restart: %v", again)
		}
	})
}

func TestHeartbeatsKeepTheIntervalAndCountFromOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		r.start()
		while(10*time.Second + 500*time.Millisecond)
		if n := m.count(); n < 9 || n > 13 {
			t.Fatalf("%d heartbeats in ten intervals", n)
		}
		for i, h := range m.beats(0) {
			if h.GetSequence() != uint64(i+1) {
				t.Fatalf("heartbeat %d has sequence %d", i, h.GetSequence())
			}
		}
	})
}

func TestAChangeIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.heartbeat = time.Hour
		m.tell(set(7, "imap", serving))
		r.start()
		began := time.Now()
		r.settle("imap is told to serve", func() bool {
			h := m.last()
			return len(h.GetReports()) == 1 && h.GetReports()[0].GetState() == isServing
		})
		r.driver.crash("imap")
		r.driver.change("imap", func(s *fakeService) { s.mute = true })
		r.settle("its crash is told", func() bool { return m.last().GetReports()[0].GetState() != isServing })
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("it took %s", took)
		}
	})
}

func TestAMemberThatAcknowledgesNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		first := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("a session", func() bool { return first.count() > 2 })
		second := r.net.member(t, "127.0.0.1:2")
		began := time.Now()
		first.with(func() { first.silent = true })
		r.settle("the other member is found", func() bool { return second.count() > 2 })
		if took := time.Since(began); took > 30*time.Second {
			t.Fatalf("it took %s", took)
		}
	})
}

func TestALostMemberIsReplacedByAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		first, second := r.net.member(t, "127.0.0.1:1"), r.net.member(t, "127.0.0.1:3")
		r.start()
		r.settle("a session", func() bool { return first.held()+second.held() == 1 && first.count()+second.count() > 1 })
		lost, other := first, second
		if second.held() == 1 {
			lost, other = second, first
		}
		before := other.count()
		began := time.Now()
		lost.stop()
		r.settle("the other member is found", func() bool { return other.count() > before })
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("it took %s", took)
		}
	})
}

func TestWhoeverKnowsNoLeaderIsLeftForOneThatDoesAndKeptUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		first := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("a session", func() bool { return first.count() > 2 })
		second := r.net.member(t, "127.0.0.1:2")
		second.with(func() { second.leaderless = true })
		first.with(func() { first.leaderless = true })
		while(20 * time.Second)
		if first.held() != 1 || len(first.greeted()) != 1 {
			t.Fatalf("with no leader anywhere the session was given up: %d sessions, %d hellos", first.held(), len(first.greeted()))
		}
		if len(second.greeted()) == 0 {
			t.Fatal("the other member was not tried")
		}
		second.with(func() { second.leaderless = false })
		r.settle("it moved", func() bool { return first.held() == 0 && second.held() == 1 && second.count() > 3 })
		second.tell(set(7, "imap", serving))
		r.settle("it follows the other member", r.reads("imap", isServing))
	})
}

func TestALeaderThatIsMissedShortlyMovesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		first := r.net.member(t, "127.0.0.1:1")
		r.start()
		r.settle("a session", func() bool { return first.count() > 2 })
		second := r.net.member(t, "127.0.0.1:2")
		first.with(func() { first.leaderless = true })
		while(1200 * time.Millisecond)
		first.with(func() { first.leaderless = false })
		while(time.Minute)
		if first.held() != 1 || len(second.greeted()) != 0 {
			t.Fatalf("%d sessions with the first member, %d hellos to the second", first.held(), len(second.greeted()))
		}
	})
}

func TestAMemberOfAnotherClusterIsNotObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving))
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		stranger := r.net.member(t, "127.0.0.1:2")
		stranger.cluster, stranger.epoch = "cluster-b", 9
		stranger.tell(&v1.AssignmentSet{Epoch: 9, Generation: 9, Empty: true})
		r.settle("it says hello", func() bool { return len(stranger.greeted()) > 3 })
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		if stranger.greeted()[0].GetClusterId() != clusterA {
			t.Fatalf("hello: %v", stranger.greeted()[0])
		}
		if n := stranger.count(); n != 0 {
			t.Fatalf("%d heartbeats to a member of another cluster", n)
		}
	})
}

func TestARefusedAgentServesOnAndAsksAgainSlowly(t *testing.T) {
	for _, code := range []codes.Code{codes.AlreadyExists, codes.FailedPrecondition, codes.PermissionDenied} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "imap")
				m := r.net.member(t, "127.0.0.1:1")
				m.tell(set(7, "imap", serving))
				r.start()
				r.settle("imap serves", r.reads("imap", isServing))
				m.with(func() { m.refuse = status.Error(code, "no") })
				r.stop()
				r.start()
				before := len(m.greeted())
				while(10 * time.Minute)
				if n := len(m.greeted()) - before; n < 60 || n > 600 {
					t.Fatalf("%d hellos in ten minutes", n)
				}
				if !r.driver.look("imap").running || r.driver.look("imap").starts != 1 {
					t.Fatalf("calls: %s", r.driver.said())
				}
			})
		})
	}
}

func TestAWelcomeToNobodysClusterIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		m.cluster = ""
		m.tell(set(7, "imap", serving))
		r.start()
		while(time.Minute)
		if r.driver.said() != "" {
			t.Fatalf("calls: %s", r.driver.said())
		}
	})
}

func TestMembersThatAWelcomeNamesAreKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		m := r.net.member(t, "127.0.0.1:1")
		// Without TLS an address outside of this host is never dialled.
		m.members = []string{"127.0.0.1:1", "127.0.0.1:9", "192.0.2.1:9"}
		r.start()
		r.settle("a session", func() bool { return m.count() > 1 })
		if slices.Contains(r.agent.membership.candidates(), "192.0.2.1:9") {
			t.Fatal("would dial an address outside of this host without TLS")
		}
		m.stop()
		r.stop()
		ninth := r.net.member(t, "127.0.0.1:9")
		r.start()
		r.settle("a session with a member that only the welcome named", func() bool { return ninth.count() > 1 })
		if slices.Contains(r.net.tried(), "192.0.2.1:9") || slices.Contains(r.agent.membership.candidates(), "192.0.2.1:9") {
			t.Fatal("dialled an address outside of this host without TLS")
		}
	})
}

func TestEveryMemberIsTriedWithinSecondsAndWithoutAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap")
		r.start()
		while(time.Second)
		for _, a := range r.cfg.Members {
			if !slices.Contains(r.net.tried(), a) {
				t.Errorf("%s was not tried within a second", a)
			}
		}
		while(10 * time.Minute)
		if n := len(r.net.tried()); n > 3*1200 {
			t.Fatalf("%d dials in ten minutes", n)
		}
	})
}

func TestAnAgentAheadOfItsClusterServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		m := r.net.member(t, "127.0.0.1:1")
		m.epoch = 5
		s := set(7, "imap", serving)
		s.Epoch = 5
		m.tell(s)
		r.start()
		r.settle("imap serves", r.reads("imap", isServing))
		m.stop()
		restored := r.net.member(t, "127.0.0.1:2")
		restored.epoch = 4
		older := set(90, "jmap", serving)
		older.Epoch = 4
		restored.tell(older)
		r.settle("heartbeats", func() bool { return restored.count() > 3 })
		if got := r.driver.said(); got != "ensure imap" {
			t.Fatalf("calls: %s", got)
		}
		if h := restored.last(); h.GetEpoch() != 5 || h.GetGeneration() != 7 {
			t.Fatalf("heartbeat: %v", h)
		}
	})
}

func TestTheInboxKeepsTheNewestSet(t *testing.T) {
	b := make(inbox, 1)
	b.put(set(3))
	b.put(set(5))
	b.put(set(4))
	if got := (<-b).GetGeneration(); got != 5 {
		t.Fatalf("generation %d", got)
	}
	if len(b) != 0 {
		t.Fatal("it keeps more than one")
	}
}

func TestACertificateOfAnotherNodeIsRefusedAtTheStart(t *testing.T) {
	r := newRig(t, "imap")
	r.cfg.TLS.CA, r.cfg.TLS.Cert, r.cfg.TLS.Key = issued(t, "agent", "node-2")
	if _, err := New(r.cfg); err == nil || !strings.Contains(err.Error(), "node-1") {
		t.Fatalf("new: %v", err)
	}
	r.cfg.TLS.CA, r.cfg.TLS.Cert, r.cfg.TLS.Key = issued(t, "member", "node-1")
	if _, err := New(r.cfg); err == nil || !strings.Contains(err.Error(), "role agent") {
		t.Fatalf("new: %v", err)
	}
	r.cfg.TLS.CA, r.cfg.TLS.Cert, r.cfg.TLS.Key = issued(t, "agent", "node-1")
	if _, err := New(r.cfg); err != nil {
		t.Fatalf("new: %v", err)
	}
}
