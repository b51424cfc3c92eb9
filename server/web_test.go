package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// browse calls a member's HTTP port with the certificate of name; empty: with
// none.
type browse struct {
	*group
	to *running
}

func (b browse) as(name, method, path, body string, header ...string) (int, string) {
	b.t.Helper()
	transport, scheme := &http.Transport{}, "http"
	defer transport.CloseIdleConnections()
	if b.files != nil {
		config, err := identity.ClientTLS(b.files(firstOf(name, "ann")), testCluster)
		if err != nil {
			b.t.Fatal(err)
		}
		if name == "" {
			config.Certificates, config.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
		}
		transport.TLSClientConfig, scheme = config, "https"
	}
	r, err := http.NewRequestWithContext(b.within(), method, fmt.Sprintf("%s://%s%s", scheme, b.to.member.HTTPAddress(), path), strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		b.t.Fatalf("%s %s as %q: %v", method, path, name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestTheHTTPPortKnowsWhoCallsAndGivesNobodyMore(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, certificatesOf(t, testCluster))
	follower := g.follower()
	stream, err := g.session("node-1", follower, "node-1")
	if err != nil {
		t.Fatal(err)
	}
	g.heartbeats(stream)
	b := browse{g, follower}
	const cordon = "/roster.v1.NodeService/CordonNode"
	request := func() string {
		return fmt.Sprintf(`{"request_id": %q, "id": "node-1", "cordoned": true, "reason": "a new disk"}`, g.client("ann", follower.address).RequestID())
	}
	forged := "roster://test/user/ann"

	for _, c := range []struct {
		what, as string
		header   []string
		code     int
		says     string
	}{
		{"nobody", "", nil, 401, "certificate"},
		{"nobody who says to be ann", "", []string{"Roster-Caller", forged, "Grpc-Metadata-Roster-Caller", forged}, 401, "certificate"},
		{"an agent", "node-1", nil, 403, "WRONG_ROLE"},
		{"an agent that says to be ann", "node-1", []string{"Roster-Caller", forged, "Grpc-Metadata-Roster-Caller", forged}, 403, "WRONG_ROLE"},
		{"ann, for another cluster", "ann", []string{"Roster-Cluster-Id", "another"}, 400, "WRONG_CLUSTER"},
	} {
		code, body := b.as(c.as, "POST", cordon, request(), c.header...)
		if code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s, want %d and %q", c.what, code, body, c.code, c.says)
		}
	}
	node, err := v1.NewNodeServiceClient(g.client("ann", follower.address)).GetNode(g.within(), &v1.GetNodeRequest{Id: "node-1"})
	if err != nil || node.GetNode().GetSettings().GetCordoned() {
		t.Fatalf("after the refusals: %v, %v", node, err)
	}

	if code, body := b.as("ann", "POST", cordon, request()); code != 200 {
		t.Errorf("ann: %d %s", code, body)
	}
	// On a follower, forwarded: the name travels.
	code, body := b.as("ann", "POST", "/roster.v1.EventService/ListEvents", `{"kind": "node.cordoned"}`)
	if code != 200 || !strings.Contains(body, `"actor": "roster://test/user/ann"`) || !strings.Contains(body, "a new disk") {
		t.Errorf("the event: %d %s", code, body)
	}
}

func TestTheHTTPPortShowsHealthToAllAndRaftsOwnSeries(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 1, certificatesOf(t, testCluster))
	b := browse{g, g.leader()}
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := b.as("", "GET", path, ""); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := b.as("", "GET", "/metrics", ""); code != 401 {
		t.Errorf("/metrics without a certificate: %d", code)
	}
	g.until("raft's series", func() bool {
		code, body := b.as("ann", "GET", "/metrics", "")
		return code == 200 && strings.Contains(body, "\nraft_") && strings.Contains(body, "\nroster_leads 1\n")
	})
}

func TestAMemberWithoutALeaderIsNotReadyAndAnswersAllTheSame(t *testing.T) {
	t.Parallel() // it waits most of the time
	g := startGroup(t, 3, nil)
	alone := g.follower()
	for _, r := range g.members {
		if r != alone {
			g.kill(r)
		}
	}
	b := browse{g, alone}
	g.until("the member to notice", func() bool {
		code, body := b.as("", "GET", "/readyz", "")
		return code == 503 && strings.Contains(body, "leader")
	})
	if code, body := b.as("", "GET", "/metrics", ""); code != 200 || !strings.Contains(body, `roster_status{state="no_quorum"} 1`) {
		t.Errorf("metrics: %d %s", code, body)
	}
	code, body := b.as("", "POST", "/roster.v1.ClusterService/GetStatus", `{}`)
	if code != 200 || !strings.Contains(body, `"state": "no_quorum"`) {
		t.Errorf("status: %d %s", code, body)
	}
	if code, body := b.as("", "POST", "/roster.v1.NodeService/CordonNode", `{"request_id": "`+g.client("", alone.address).RequestID()+`", "id": "node-1"}`); code != 503 {
		t.Errorf("a write: %d %s", code, body)
	}
}
