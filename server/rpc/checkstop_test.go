package rpc

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	v1 "roster/proto/roster/v1"

	"roster/server/internal/fixture"
)

const twoFloor = `name: two
pools:
  - {name: imap, services: [imap], count: 3}
services:
  - {name: imap, floor: 2}
`

// threeByThree is three nodes that serve imap, at hosts 10.0.0.1 to 3, where a
// member runs beside n-1 and n-2 each, and the third one elsewhere.
func threeByThree(t *testing.T) *live {
	t.Helper()
	l := serve(t)
	for i, id := range []string{"n-1", "n-2", "n-3"} {
		claims := fixture.Claims("imap")
		claims.Services[0].Endpoints[0].Host = fmt.Sprintf("10.0.0.%d", i+1)
		l.log.RegisterAs(id, fixture.Instance(id), claims)
	}
	l.log.Apply(twoFloor)
	l.serves("imap", "imap", "n-1", "n-2", "n-3")
	l.put(
		&v1.Member{Id: "id-1", Name: "m1", Address: "10.0.0.1:7401", RaftAddress: "10.1.0.1:7400"},
		&v1.Member{Id: "id-2", Name: "m2", Address: "m2.example.org:7401", RaftAddress: "10.0.0.2:7400"},
		&v1.Member{Id: "id-3", Name: "m3", Address: "10.0.0.9:7401", RaftAddress: "10.0.0.9:7400"},
	)
	l.members.voting = []string{"id-1", "id-2", "id-3"}
	return l
}

func TestNodesMayStopWhileFloorsAndTheMembersQuorumHold(t *testing.T) {
	for _, c := range []struct {
		name           string
		nodes, members []string
		mute           []string // silent already
		voting         []string // empty: all three
		ok             bool
		stop           string // members that stop
		says, not      string
	}{
		{"one node and its member", []string{"n-1"}, nil, nil, nil, true, "m1", "without m1, 2 of 3 members with a vote would answer", ""},
		{"one node without a member", []string{"n-3"}, nil, nil, nil, true, "", "imap would have 2 ready", "with a vote"},
		{"a member by its raft address", []string{"n-2"}, nil, nil, nil, true, "m2", "", ""},
		{"a floor breaks", []string{"n-2", "n-3"}, nil, nil, nil, false, "m2", "imap would have 1 ready, its floor in force is 2", "with a vote"},
		{"the quorum breaks", []string{"n-1"}, nil, []string{"id-3"}, nil, false, "m1", "1 of 3 members with a vote would answer (m3: silent already), and 2 must", "imap"},
		{"the silent one stops", []string{"n-1"}, nil, []string{"id-1"}, nil, true, "m1", "2 of 3", ""},
		{"a member that has no vote", []string{"n-1"}, nil, []string{"id-3"}, []string{"id-2", "id-3"}, true, "m1", "imap would have 2 ready", "with a vote"},
		{"members by name and by id", nil, []string{"m1", "id-2"}, nil, nil, false, "m1 m2", "without m1, m2, 1 of 3", "imap"},
		{"one that is named twice", []string{"n-1"}, []string{"m1", "id-1"}, nil, nil, true, "m1", "2 of 3", ""},
		{"all at once", []string{"n-1", "n-2"}, nil, nil, nil, false, "m1 m2", "imap would have 1 ready", ""},
		{"all at once, for the votes as well", []string{"n-1", "n-2"}, nil, nil, nil, false, "m1 m2", "1 of 3 members", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := threeByThree(t)
			l.members.mute = c.mute
			if len(c.voting) > 0 {
				l.members.voting = c.voting
			}
			answer, err := l.nodes().CheckStop(t.Context(), &v1.CheckStopRequest{Nodes: c.nodes, Members: c.members})
			l.must(err)
			said := strings.Join(answer.GetReasons(), "\n")
			if answer.GetOk() != c.ok || strings.Join(answer.GetMembers(), " ") != c.stop {
				t.Errorf("ok %v, members %v\n%s", answer.GetOk(), answer.GetMembers(), said)
			}
			if !strings.Contains(said, c.says) || c.not != "" && strings.Contains(said, c.not) || said == "" {
				t.Errorf("said is\n%s\nwith %q, without %q", said, c.says, c.not)
			}
			if got, want := answer.GetReady()["imap"], uint32(3-len(c.nodes)); got != want {
				t.Errorf("%d would be ready, not %d", got, want)
			}
		})
	}
}

func TestAStopOfWhatIsUnknownOrOfNothingIsRefused(t *testing.T) {
	l := threeByThree(t)
	check := func(r *v1.CheckStopRequest) error {
		_, err := l.nodes().CheckStop(t.Context(), r)
		return err
	}
	l.refuse(check(&v1.CheckStopRequest{}), want{codes.InvalidArgument, "INVALID", "name nodes"})
	l.refuse(check(&v1.CheckStopRequest{Nodes: []string{"n-1", "n-9"}}), want{codes.NotFound, "NOT_FOUND", "roster node list"})
	l.refuse(check(&v1.CheckStopRequest{Members: []string{"m9"}}), want{codes.NotFound, "NOT_FOUND", "roster member list"})
}

func TestWithoutALeaderNothingMayStop(t *testing.T) {
	l := threeByThree(t)
	l.group.lost = true
	answer, err := l.nodes().CheckStop(t.Context(), &v1.CheckStopRequest{Nodes: []string{"n-3"}, Stale: true})
	l.must(err)
	if answer.GetOk() || !strings.Contains(strings.Join(answer.GetReasons(), ""), "no leader") {
		t.Errorf("%v", answer)
	}
}

func TestAHostIsTheSameInEverySpellingAndLoopbackIsNone(t *testing.T) {
	for _, same := range [][]string{
		{"mail-1.example.org", "Mail-1.Example.Org", "mail-1.example.org."},
		{"10.0.0.1", "::ffff:10.0.0.1"},
		{"2001:db8::1", "2001:DB8:0::1"},
		{"", "127.0.0.1", "127.0.0.9", "::1", "localhost", "LOCALHOST.", "mail.localhost", "0.0.0.0", "::", "::ffff:127.0.0.1"},
	} {
		for _, host := range same {
			if got := plainHost(host); got != plainHost(same[0]) {
				t.Errorf("%q is %q, and %q is %q", host, got, same[0], plainHost(same[0]))
			}
		}
	}
	if plainHost("10.0.0.1") == plainHost("10.0.0.11") || plainHost("10.0.0.1") == "" {
		t.Error("hosts that differ are one")
	}
}
