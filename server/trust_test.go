package server

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	"roster/client/identity"
	peerv1 "roster/proto/roster/peer/v1"
	v1 "roster/proto/roster/v1"
)

func denied(t *testing.T, what string, err error, reason string) {
	t.Helper()
	if status.Code(err) != codes.PermissionDenied || client.Reason(err) != reason {
		t.Errorf("%s: %v, want PERMISSION_DENIED, %s", what, err, reason)
	}
}

func TestWithCertificatesEachRoleDoesItsOwnWorkOnly(t *testing.T) {
	g := startGroup(t, 3, certificatesOf(t, testCluster))
	follower := g.follower()
	ann := g.client("ann", follower.address)
	if _, err := g.applyTo(ann, oneImap); err != nil {
		t.Fatalf("a user applies on a follower: %v", err)
	}

	t.Run("the caller travels with what is forwarded", func(t *testing.T) {
		answer, err := v1.NewEventServiceClient(ann).ListEvents(g.within(), &v1.ListEventsRequest{Kind: "topology."})
		if err != nil || len(answer.GetEvents()) != 1 || answer.GetEvents()[0].GetActor() != "roster://test/user/ann" {
			t.Errorf("events: %v, %v", answer, err)
		}
	})

	t.Run("an agent speaks for its own node", func(t *testing.T) {
		stream, err := g.session("node-1", follower, "node-1")
		if err != nil {
			t.Fatal(err)
		}
		g.heartbeats(stream)
		_, err = g.session("node-1", follower, "node-2")
		denied(t, "for another node", err, "WRONG_NODE")
		node, err := v1.NewNodeServiceClient(ann).GetNode(g.within(), &v1.GetNodeRequest{Id: "node-1"})
		if err != nil || node.GetNode().GetInstance() != "i-node-1" {
			t.Errorf("the node that it registered: %v, %v", node, err)
		}
		if _, err := v1.NewNodeServiceClient(ann).GetNode(g.within(), &v1.GetNodeRequest{Id: "node-2"}); status.Code(err) != codes.NotFound {
			t.Errorf("the node that it must not register: %v", err)
		}
	})

	t.Run("an agent can neither write nor look around", func(t *testing.T) {
		agent := g.client("node-1", follower.address)
		_, err := g.applyTo(agent, oneImap)
		denied(t, "apply", err, "WRONG_ROLE")
		_, err = v1.NewNodeServiceClient(agent).CordonNode(g.within(), &v1.CordonNodeRequest{RequestId: agent.RequestID(), Id: "node-1"})
		denied(t, "cordon", err, "WRONG_ROLE")
		_, err = v1.NewNodeServiceClient(agent).ListNodes(g.within(), &v1.ListNodesRequest{})
		denied(t, "list", err, "WRONG_ROLE")
		watch, err := v1.NewNodeServiceClient(agent).WatchNodes(g.within(), &v1.WatchNodesRequest{})
		if err == nil {
			_, err = watch.Recv()
		}
		denied(t, "watch", err, "WRONG_ROLE")
	})

	t.Run("nobody else speaks for a node", func(t *testing.T) {
		for _, as := range []string{"ann", "m1"} {
			_, err := g.session(as, follower, "node-3")
			denied(t, as, err, "WRONG_ROLE")
		}
	})

	t.Run("only members speak to members", func(t *testing.T) {
		for _, as := range []string{"ann", "node-1"} {
			peer := peerv1.NewPeerServiceClient(g.client(as, g.leader().address))
			_, err := peer.Propose(g.within(), &peerv1.ProposeRequest{})
			denied(t, as+" proposes", err, "WRONG_ROLE")
			_, err = peer.Membership(g.within(), &peerv1.MembershipRequest{})
			denied(t, as+" changes the members", err, "WRONG_ROLE")
			_, err = peer.Promote(g.within(), &peerv1.PromoteRequest{})
			denied(t, as+" gives a vote", err, "WRONG_ROLE")
			relay, err := peer.Relay(g.within())
			if err == nil {
				_, err = relay.Recv()
			}
			denied(t, as+" relays", err, "WRONG_ROLE")
		}
	})

	t.Run("the Raft port is for members", func(t *testing.T) {
		for _, as := range []string{"node-1", "ann"} {
			if err := knock(t, g.files(as), follower.raft); err == nil {
				t.Errorf("%s was let in", as)
			}
		}
		if err := knock(t, g.files("m1"), follower.raft); err != nil {
			t.Errorf("a member was turned away: %v", err)
		}
	})

	t.Run("certificates of another cluster are worth nothing", func(t *testing.T) {
		foreign := certificatesOf(t, "other")
		for _, as := range []string{"ann", "m1"} {
			settings, err := identity.ClientTLS(foreign(as), "other")
			if err != nil {
				t.Fatal(err)
			}
			settings.InsecureSkipVerify, settings.VerifyConnection, settings.VerifyPeerCertificate = true, nil, nil // a careless foreigner
			if err := handshake(settings, follower.address); err == nil {
				t.Errorf("%s of another cluster was let in on the API port", as)
			}
			if err := handshake(settings, follower.raft); err == nil {
				t.Errorf("%s of another cluster was let in on the Raft port", as)
			}
		}
	})

	t.Run("a call for another cluster is refused", func(t *testing.T) {
		settings, err := identity.ClientTLS(g.files("ann"), testCluster)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.New(client.Config{Members: []string{follower.address}, TLS: settings, ClusterID: "another"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := v1.NewNodeServiceClient(c).ListNodes(g.within(), &v1.ListNodesRequest{}); client.Reason(err) != "WRONG_CLUSTER" {
			t.Errorf("%v", err)
		}
	})
}

// knock opens a connection as one that is trusted.
func knock(t *testing.T, files identity.Files, address string) error {
	t.Helper()
	settings, err := identity.ClientTLS(files, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	return handshake(settings, address)
}

// handshake says whether the other side keeps a connection open. In TLS 1.3 it
// judges a client after the client's own part is done, so that only reading
// tells.
func handshake(settings *tls.Config, address string) error {
	conn, err := tls.Dial("tcp", address, settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err = conn.Read(make([]byte, 1)); err == nil {
		return nil // gRPC speaks first
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return nil // it waits for us to speak
	}
	return err
}

func TestAMemberWithTheWrongCertificateDoesNotServe(t *testing.T) {
	files := certificatesOf(t, testCluster)
	g := startGroup(t, 1, files)
	r := g.members[0]
	g.end(r)
	for name, c := range map[string]identity.Files{
		"an agent's":           files("node-1"),
		"a user's":             files("ann"),
		"of other cluster":     certificatesOf(t, "other")("m1"),
		"another member's":     files("m2"),
		"of another authority": {CA: certificatesOf(t, testCluster)("m1").CA, Cert: files("m1").Cert, Key: files("m1").Key},
		"none":                 {},
	} {
		if m, err := New(Config{Dir: r.dir, TLS: c}); err == nil {
			m.giveBack()
			t.Errorf("a member runs with a certificate that is %s", name)
		} else if !strings.Contains(err.Error(), "member") && !strings.Contains(err.Error(), "cluster") {
			t.Errorf("%s: the error does not say what is wrong: %v", name, err)
		}
	}
	if _, err := New(Config{Dir: r.dir}); !errors.Is(err, ErrWithoutCertificates) {
		t.Errorf("it runs without certificates after it ran with: %v", err)
	}
	g.start(r) // and nothing was left behind
	g.leader()
}
