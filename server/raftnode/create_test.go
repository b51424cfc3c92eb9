package raftnode

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/fsm"
	v1 "roster/proto/roster/v1"
)

func TestInitIsDoneOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	first, err := Init(dir, initOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Init(dir, initOptions(t))
	wantError(t, err, ErrUsed, "done once", first.ID)
	wantError(t, PrepareJoin(dir, first), ErrUsed)
	kept, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, kept); diff != "" {
		t.Errorf("the second init changed the member (-first +kept):\n%s", diff)
	}
}

func TestAnInitThatDidNotEndIsNotTakenForAMember(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	if _, err := Init(dir, initOptions(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, identityName)); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir)
	wantError(t, err, ErrNoMember, "roster init", "roster join")
	_, err = Init(dir, initOptions(t))
	wantError(t, err, ErrUsed, "did not end")
}

func TestInitRefusesWhatTheClusterWouldRefuseLater(t *testing.T) {
	for name, spoil := range map[string]func(*InitOptions){
		"no cluster name":        func(o *InitOptions) { o.ClusterName = "" },
		"bad cluster name":       func(o *InitOptions) { o.ClusterName = "Über uns" },
		"no member name":         func(o *InitOptions) { o.MemberName = "" },
		"raft address any":       func(o *InitOptions) { o.RaftAddress = "0.0.0.0:1" },
		"raft address port zero": func(o *InitOptions) { o.RaftAddress = "127.0.0.1:0" },
		"address without port":   func(o *InitOptions) { o.Address = "127.0.0.1" },
		"address without host":   func(o *InitOptions) { o.Address = ":80" },
		"wan without round trip": func(o *InitOptions) { o.Profile = v1.TimingProfile_TIMING_PROFILE_WAN },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			o := initOptions(t)
			spoil(&o)
			if _, err := Init(dir, o); err == nil {
				t.Error("it was accepted")
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was made in the data directory: %v", err)
			}
		})
	}
}

func TestADirectoryIsOpenedByOneProcessOnly(t *testing.T) {
	c := newCluster(t, nil)
	c.leader()
	m := c.members[0]
	_, err := Open(Config{Dir: m.dir, Identity: m.identity, Machine: fsm.New()})
	wantError(t, err, ErrInUse, "process ", "stop that one first")
	_, err = Init(m.dir, initOptions(t))
	wantError(t, err, ErrInUse)
	c.write("k", "1")
}

func TestADirectoryIsFreeAfterCloseAndAfterRun(t *testing.T) {
	c := newCluster(t, nil)
	m := c.members[0]
	c.leader()
	for range 2 {
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		node, err := Open(Config{Dir: m.dir, Identity: m.identity, Machine: fsm.New()})
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
		m.start()
	}
	c.leader()
}

func TestOpenReportsAllFaultsAtOnce(t *testing.T) {
	_, err := Open(Config{})
	wantError(t, err, nil, "data directory", "state machine", "member id", "raft address", "profile")
}

func TestAnotherMembersIdentityIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	identity, err := Init(dir, initOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	identity.ID = NewMemberID()
	_, err = Open(Config{Dir: dir, Identity: identity, Machine: fsm.New()})
	wantError(t, err, nil, "holds member")
}

func TestWithoutCertificatesOnlyLoopbackIsAccepted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	o := initOptions(t)
	o.RaftAddress = "192.0.2.1:7000"
	identity, err := Init(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: dir, Identity: identity, Machine: fsm.New()})
	wantError(t, err, ErrNotLoopback, "roster certs")
}

func TestAPortInUseIsSaid(t *testing.T) {
	c := newCluster(t, nil)
	c.leader()
	dir := filepath.Join(t.TempDir(), "m")
	o := initOptions(t)
	o.RaftAddress = c.members[0].identity.RaftAddress
	identity, err := Init(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: dir, Identity: identity, Machine: fsm.New()})
	wantError(t, err, ErrPortInUse, o.RaftAddress)
	c.write("k", "1")
}

func TestProfilesKeepTheirProportions(t *testing.T) {
	for _, test := range []struct {
		profile   v1.TimingProfile
		roundTrip uint32
		want      string
	}{
		{v1.TimingProfile_TIMING_PROFILE_LAN, 0, "150ms 150ms 100ms 20ms"},
		{v1.TimingProfile_TIMING_PROFILE_RELAXED, 0, "500ms 500ms 250ms 50ms"},
		{v1.TimingProfile_TIMING_PROFILE_WAN, 90, "900ms 900ms 600ms 120ms"},
		{v1.TimingProfile_TIMING_PROFILE_WAN, 1, "150ms 150ms 100ms 20ms"},
	} {
		got, err := timingOf(test.profile, test.roundTrip)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join([]string{got.heartbeat.String(), got.election.String(), got.lease.String(), got.commit.String()}, " ")
		if text != test.want {
			t.Errorf("%s, round trip %d ms: %s, want %s", ProfileName(test.profile), test.roundTrip, text, test.want)
		}
		if back, err := ParseProfile(ProfileName(test.profile)); err != nil || back != test.profile {
			t.Errorf("profile %s reads back as %v (%v)", ProfileName(test.profile), back, err)
		}
	}
}

// wantError wants an error of a kind (nil: any) that says all these words.
func wantError(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}
