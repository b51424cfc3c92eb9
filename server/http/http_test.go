package http

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"roster/integration/leak"
	v1 "roster/proto/roster/v1"
)

func TestMain(m *testing.M) { leak.Main(m) }

// api answers a few calls; the real one is behind the member's own test.
type api struct {
	v1.UnimplementedNodeServiceServer
	v1.UnimplementedEventServiceServer
	v1.UnimplementedWhatIfServiceServer
	v1.UnimplementedRolloutServiceServer
	asked *v1.CordonNodeRequest
}

func (a *api) CordonNode(_ context.Context, r *v1.CordonNodeRequest) (*v1.CordonNodeResponse, error) {
	a.asked = r
	if r.GetId() == "node-9" {
		return nil, status.Error(codes.NotFound, "there is no node node-9: see roster node list")
	}
	return &v1.CordonNodeResponse{Index: 1 << 60, Generation: 7}, nil
}

func (a *api) WatchEvents(r *v1.WatchEventsRequest, to grpc.ServerStreamingServer[v1.WatchEventsResponse]) error {
	for i := range 3 {
		if err := to.Send(&v1.WatchEventsResponse{Index: uint64(i + 1), Events: []*v1.Event{{Index: uint64(i + 1), Kind: "node.down"}}}); err != nil {
			return err
		}
	}
	return status.Error(codes.OutOfRange, "events after 1 are no longer kept")
}

type port struct {
	*api
	url string
}

func open(t *testing.T) *port {
	t.Helper()
	p := &port{api: &api{}}
	memory := bufconn.Listen(1 << 16)
	inner := grpc.NewServer()
	v1.RegisterNodeServiceServer(inner, p.api)
	v1.RegisterEventServiceServer(inner, p.api)
	v1.RegisterWhatIfServiceServer(inner, p.api)
	v1.RegisterRolloutServiceServer(inner, p.api)
	served := make(chan error, 1)
	go func() { served <- inner.Serve(memory) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	ready := ""
	s, err := New(Config{
		Listen: "127.0.0.1:0", ClusterName: "example", API: conn, Ready: func() string { return ready },
		Collect: func() Figures {
			return Figures{Member: "m1", Leads: true, Sessions: 3, Applied: 42, Status: &v1.Status{
				State: v1.StatusState_STATUS_STATE_HOLDING, Hold: &v1.Hold{},
				Services: map[string]*v1.ServiceStatus{"imap": {Ready: 2, Floor: 3, FloorInForce: 2, Borrowed: []string{"node-7"}}},
				Nodes:    []*v1.NodeStatus{{Id: "node-1", State: v1.NodeState_NODE_STATE_DOWN}, {Id: "node-7", State: v1.NodeState_NODE_STATE_UP, Drained: true}},
				Rollout:  &v1.Rollout{State: v1.RolloutState_ROLLOUT_STATE_PAUSED, Pause: &v1.Pause{By: "roster://example/user/ann"}},
				Survival: &v1.Survival{AnyNode: true, Members: 1, Unkept: []string{"zone a1"}},
				Plans:    []*v1.ProposedPlan{{State: v1.PlanState_PLAN_STATE_PENDING}, {State: v1.PlanState_PLAN_STATE_REJECTED}},
			}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the port: %v", err)
		}
		_ = conn.Close()
		inner.Stop()
		<-served
		http.DefaultClient.CloseIdleConnections()
	})
	p.url = "http://" + s.Address()
	return p
}

func (p *port) call(t *testing.T, method, path, kind, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

const asJSON = "application/json"

func TestACallAnswersInTheJSONOfTheCLI(t *testing.T) {
	p := open(t)
	code, body := p.call(t, "POST", "/roster.v1.NodeService/CordonNode", asJSON, `{"id": "node-1", "cordoned": true, "expected_generation": 6}`)
	if want := "{\n  \"index\": 1152921504606846976,\n  \"generation\": 7\n}\n"; code != 200 || body != want {
		t.Errorf("%d %s, want 200 %s", code, body, want)
	}
	if p.asked.GetId() != "node-1" || p.asked.GetExpectedGeneration() != 6 {
		t.Errorf("asked: %v", p.asked)
	}
}

func TestAStreamIsAMessageALineAndItsErrorTheLast(t *testing.T) {
	p := open(t)
	code, body := p.call(t, "POST", "/roster.v1.EventService/WatchEvents", asJSON, `{}`)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if code != 200 || len(lines) != 4 {
		t.Fatalf("%d, %d lines: %s", code, len(lines), body)
	}
	for i, line := range lines[:3] {
		var m struct {
			Index  int
			Events []struct{ Kind string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Index != i+1 || len(m.Events) != 1 || m.Events[0].Kind != "node.down" {
			t.Errorf("line %d: %s: %v", i, line, err)
		}
	}
	if !strings.Contains(lines[3], "no longer kept") {
		t.Errorf("last line: %s", lines[3])
	}
}

// A bad call is told what is wrong and what to do, and nothing is asked of the
// API.
func TestBadCallsAreTurnedAway(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, kind, body string
		code                     int
		says                     string
	}{
		"an unknown call":    {"POST", "/roster.v1.NodeService/Explode", asJSON, "{}", 404, "openapi.json"},
		"an unknown path":    {"POST", "/nodes", asJSON, "{}", 404, "openapi.json"},
		"agents' sessions":   {"POST", "/roster.v1.AgentService/Session", asJSON, "{}", 404, "no call"},
		"members' own calls": {"POST", "/roster.peer.v1.PeerService/Propose", asJSON, "{}", 404, "no call"},
		"GET of a call":      {"GET", "/roster.v1.NodeService/CordonNode", "", "", 405, "POST"},
		"GET of no call":     {"GET", "/roster.v1.NodeService/Explode", "", "", 405, "POST"},
		"an unknown page":    {"GET", "/nodes", "", "", 404, "openapi.json"},
		"no page to write":   {"PUT", "/nodes", asJSON, "{}", 404, "openapi.json"},
		"a form":             {"POST", "/roster.v1.NodeService/CordonNode", "application/x-www-form-urlencoded", "id=node-1", 415, "Content-Type"},
		"plain text":         {"POST", "/roster.v1.NodeService/CordonNode", "text/plain", "{}", 415, "Content-Type"},
		"no body":            {"POST", "/roster.v1.NodeService/CordonNode", asJSON, "", 400, "{}"},
		"not JSON":           {"POST", "/roster.v1.NodeService/CordonNode", asJSON, "{", 400, ""},
		"a misspelt key":     {"POST", "/roster.v1.NodeService/CordonNode", asJSON, `{"idd": "node-1"}`, 400, "idd"},
		"a wrong type":       {"POST", "/roster.v1.NodeService/CordonNode", asJSON, `{"id": 7}`, 400, "id"},
		"two objects":        {"POST", "/roster.v1.NodeService/CordonNode", asJSON, `{} {}`, 400, ""},
		"too large":          {"POST", "/roster.v1.NodeService/CordonNode", asJSON, `{"reason": "` + strings.Repeat("x", maxBody) + `"}`, 400, "too large"},
		"metrics by POST":    {"POST", "/metrics", asJSON, "{}", 404, "no call"},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			code, body := p.call(t, c.method, c.path, c.kind, c.body)
			var problem problemBody
			if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Code == "" || problem.Reason == "" || problem.Message == "" {
				t.Errorf("%d %s: %v", code, body, err)
			}
			if code != c.code || !strings.Contains(problem.Message, c.says) {
				t.Errorf("%d %+v, want %d and %q", code, problem, c.code, c.says)
			}
			if p.asked != nil {
				t.Errorf("the API was asked: %v", p.asked)
			}
		})
	}
}

func TestWhatTheAPIRefusesKeepsItsCodeAndSentence(t *testing.T) {
	p := open(t)
	code, body := p.call(t, "POST", "/roster.v1.NodeService/CordonNode", asJSON, `{"id": "node-9"}`)
	if code != 404 || !strings.Contains(body, `"code": "not_found"`) || !strings.Contains(body, "there is no node node-9") {
		t.Errorf("%d %s", code, body)
	}
}

// Without certificates everybody on loopback may call, and so may the browser of
// somebody there: a page of another site must not.
func TestAPageOfAnotherSiteIsTurnedAway(t *testing.T) {
	p := open(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/roster.v1.NodeService/CordonNode", strings.NewReader(`{"id": "node-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", asJSON)
	r.Host = "evil.example"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden || p.asked != nil {
		t.Errorf("%d, asked %v", answer.StatusCode, p.asked)
	}
}

func TestMetricsHaveTheWordsOfStatusAndTheSeriesOfRaft(t *testing.T) {
	p := open(t)
	code, body := p.call(t, "GET", "/metrics", "", "")
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	for _, line := range []string{
		`roster_status{state="holding"} 1`, `roster_status{state="ok"} 0`, `roster_status{state="floor_broken"} 0`,
		`roster_service_ready_nodes{service="imap"} 2`, `roster_service_floor{service="imap"} 3`, `roster_service_floor_in_force{service="imap"} 2`,
		`roster_service_borrowed_nodes{service="imap"} 1`, `roster_nodes{state="down"} 1`, `roster_nodes{state="up"} 1`, `roster_nodes_drained 1`,
		`roster_hold 1`, `roster_plans_pending 1`, `roster_sessions 3`, `roster_applied_index 42`, `roster_leads 1`,
		`roster_rollout{state="paused"} 1`, `roster_rollout{state="running"} 0`, `roster_canary_failed 0`,
		`roster_survives{loss="node"} 1`, `roster_survives{loss="zone"} 0`, `roster_survives{loss="region"} 0`, `roster_survives_members 1`, `roster_survives_unkept 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

func TestHealthAnswersWhoeverAsks(t *testing.T) {
	p := open(t)
	for path, says := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/": "/openapi.json", "/openapi.json": "/roster.v1.NodeService/CordonNode"} {
		if code, body := p.call(t, "GET", path, "", ""); code != 200 || !strings.Contains(body, says) {
			t.Errorf("%s: %d %.200s", path, code, body)
		}
	}
}
