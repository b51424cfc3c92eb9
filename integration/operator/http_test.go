package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/client/identity"
	"roster/integration/cluster"
)

// browser calls the HTTP port with somebody's certificate, or with none.
type browser struct {
	http *http.Client
}

func (s *scene) browser(t *testing.T, role, name string) *browser {
	t.Helper()
	files := s.Certs(role, name)
	config, err := identity.ClientTLS(identity.Files{CA: files.CA, Cert: files.Cert, Key: files.Key}, s.Name)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{&http.Client{Transport: transport, Timeout: time.Minute}}
}

// nobody has no certificate.
func (s *scene) nobody(t *testing.T) *browser {
	t.Helper()
	b := s.browser(t, "user", "operator")
	transport, _ := b.http.Transport.(*http.Transport)
	transport.TLSClientConfig.Certificates, transport.TLSClientConfig.GetClientCertificate = nil, nil
	return b
}

func (b *browser) do(t *testing.T, method string, m *cluster.Member, path, kind, body string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+m.HTTPAddress+"/"+strings.TrimPrefix(path, "/"), bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := b.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

// refused wants a call to be answered with a status and a reason.
func (b *browser) refused(t *testing.T, m *cluster.Member, call, body string, status int, reason string, words ...string) {
	t.Helper()
	got, text := b.do(t, http.MethodPost, m, call, "application/json", body)
	var problem struct{ Code, Reason, Message string }
	if err := json.Unmarshal([]byte(text), &problem); err != nil {
		t.Errorf("%s %s: %d, no JSON: %v: %s", call, body, got, err, text)
		return
	}
	if got != status || problem.Code == "" || problem.Message == "" || reason != "" && problem.Reason != reason {
		t.Errorf("%s %s: %d, wanted %d %s: %s", call, body, got, status, reason, text)
	}
	for _, word := range words {
		if !strings.Contains(problem.Message, word) {
			t.Errorf("%s %s: no word of %q: %s", call, body, word, text)
		}
	}
}

func (b *browser) page(t *testing.T, m *cluster.Member, path string, status int) {
	t.Helper()
	if got, text := b.do(t, http.MethodGet, m, path, "", ""); got != status {
		t.Errorf("GET %s: %d, wanted %d: %s", path, got, status, text)
	}
}

func (s *scene) refusedHTTP(t *testing.T) {
	m := s.Members[1]
	as := s.browser(t, "user", "operator")
	// ask is a body with a request id of its own.
	ask := func(fields string) string {
		return fmt.Sprintf(`{"request_id": %q, %s}`, uuid.Must(uuid.NewV7()), fields)
	}
	const guard, nodes, plans, members, topology = "roster.v1.GuardService/", "roster.v1.NodeService/", "roster.v1.PlanService/", "roster.v1.ClusterService/", "roster.v1.TopologyService/"
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		call, body string
		status     int
		reason     string
		words      []string
	}{
		{nodes + "DrainNode", ask(`"id": "node-99"`), 404, "", []string{"node-99"}},
		{nodes + "DrainNode", ask(`"id": "node-1", "deadline": "-5s"`), 400, "INVALID", nil},
		{nodes + "DrainNode", ask(`"id": "node-1", "deadline": "9999999s"`), 400, "INVALID", []string{"30 days"}},
		{nodes + "DrainNode", ask(`"id": "node-1", "deadline": "soon"`), 400, "", nil},
		{nodes + "DrainNode", ask(`"id": "node-1", "expected_generation": 7777`), 409, "STALE_GENERATION", []string{"7777"}},
		{nodes + "DrainNode", ask(`"id": "node-1", "reason": "` + long + `"`), 400, "INVALID", nil},
		{nodes + "DrainNode", `{"id": "node-1"}`, 400, "INVALID", []string{"request_id"}},
		{nodes + "DrainNode", `{"id": "node-1", "request_id": "tuesday"}`, 400, "REQUEST_ID_INVALID", nil},
		{nodes + "DrainNode", ask(`"node": "node-1"`), 400, "", []string{"node"}},
		{nodes + "DrainNode", ask(`"id": 7`), 400, "", nil},
		{nodes + "DrainNode", `{"id": "node-1"`, 400, "", nil},
		{nodes + "DrainNode", ``, 400, "", nil},
		{nodes + "DrainNode", `[]`, 400, "", nil},
		{nodes + "DrainNode", `{} {}`, 400, "", nil},
		{nodes + "UndrainNode", ask(`"id": "node-99"`), 404, "", []string{"node-99"}},
		{nodes + "ReplaceNode", ask(`"id": "node-1"`), 400, "NODE_IN_USE", nil},
		{nodes + "AdoptNode", ask(`"id": "node-1"`), 400, "NOT_AHEAD", nil},
		{nodes + "ActivateNode", ask(`"id": "node-99"`), 404, "", []string{"node-99"}},
		{nodes + "RemoveNode", ask(`"id": "node-1"`), 400, "NODE_IN_USE", nil},
		{nodes + "CheckStop", `{"nodes": ["node-99"]}`, 404, "", []string{"node-99"}},
		{nodes + "CheckStop", `{"members": ["nobody"]}`, 404, "", []string{"nobody"}},
		{nodes + "CheckStop", `{}`, 400, "INVALID", nil},
		{guard + "CreateFreeze", ask(`"for": "60s"`), 400, "INVALID", []string{"reason"}},
		{guard + "CreateFreeze", ask(`"reason": "why"`), 400, "INVALID", []string{"for"}},
		{guard + "CreateFreeze", ask(`"for": "0.5s", "reason": "why"`), 400, "INVALID", []string{"1 second"}},
		{guard + "CreateFreeze", ask(`"for": "99999999s", "reason": "why"`), 400, "INVALID", []string{"30 days"}},
		{guard + "CreateFreeze", ask(`"for": "60s", "reason": "why", "scope": "rack:7"`), 400, "INVALID", []string{"rack:7"}},
		{guard + "CreateFreeze", ask(`"for": "60s", "reason": "why", "scope": "zone:z9"`), 0, "", []string{"z9"}},
		{guard + "DeleteFreeze", ask(`"id": "f-01234567"`), 404, "", []string{"f-01234567"}},
		{guard + "DeleteFreeze", ask(`"id": "f-01234567", "scope": "all"`), 400, "INVALID", nil},
		{guard + "DeleteFreeze", ask(`"id": ""`), 400, "INVALID", nil},
		{guard + "OverrideHold", ask(`"reason": ""`), 400, "INVALID", []string{"reason"}},
		{guard + "OverrideHold", ask(`"reason": "why", "for": "90000s"`), 400, "INVALID", nil},
		{plans + "GetPlan", `{"id": "0123456789abcdef"}`, 404, "", nil},
		{plans + "GetPlan", `{}`, 400, "INVALID", nil},
		{plans + "ApprovePlan", ask(`"id": "0123456789abcdef"`), 409, "STALE_PLAN", []string{"0123456789abcdef"}},
		{plans + "RejectPlan", ask(`"id": "0123456789abcdef"`), 409, "STALE_PLAN", nil},
		{plans + "ApprovePlan", ask(`"id": ""`), 400, "INVALID", nil},
		{members + "RemoveMember", ask(`"id": "nobody"`), 404, "", []string{"nobody"}},
		{members + "TransferLeadership", `{"id": "nobody"}`, 404, "", []string{"nobody"}},
		{topology + "ApplyTopology", ask(`"source": "bmFtZTogWA=="`), 400, "BAD_TOPOLOGY", nil},
		{topology + "RollbackTopology", ask(`"revision": 99`), 404, "", []string{"99"}},
		{"roster.v1.NodeService/NoSuchCall", `{}`, 404, "", nil},
		{"roster.v1.AgentService/Session", `{}`, 404, "", nil},
		{"roster.store.v1.Command", `{}`, 404, "", nil},
	} {
		_, fields, _ := strings.Cut(c.body, "\", ")
		t.Run(c.call[strings.LastIndex(c.call, "/")+1:]+" "+fields[:min(len(fields), 60)], func(t *testing.T) {
			if c.status == 0 { // as the table of errors has it: what there is not
				status, text := as.do(t, http.MethodPost, m, c.call, "application/json", c.body)
				if status != 400 && status != 404 || !strings.Contains(text, c.words[0]) {
					t.Errorf("%d: %s", status, text)
				}
				return
			}
			as.refused(t, m, c.call, c.body, c.status, c.reason, c.words...)
		})
	}
	t.Run("the form", func(t *testing.T) {
		for what, c := range map[string]struct {
			method, kind, body string
			status             int
		}{
			"not POST":    {http.MethodGet, "application/json", "", 405},
			"no JSON":     {http.MethodPost, "text/plain", "{}", 415},
			"far too big": {http.MethodPost, "application/json", `{"id": "` + strings.Repeat("x", 5<<20) + `"}`, 413},
		} {
			status, text := as.do(t, c.method, m, nodes+"GetNode", c.kind, c.body)
			if status != c.status && (what != "far too big" || status != 400 && status != 429) {
				t.Errorf("%s: %d, wanted %d: %.200s", what, status, c.status, text)
			}
		}
	})
	t.Run("other roles", func(t *testing.T) {
		s.nobody(t).refused(t, m, guard+"GetGuard", `{}`, 401, "UNAUTHENTICATED")
		s.nobody(t).refused(t, m, guard+"CreateFreeze", ask(`"for": "60s", "reason": "why"`), 401, "UNAUTHENTICATED")
		agent, member := s.browser(t, "agent", "node-1"), s.browser(t, "member", "member-1")
		for call, fields := range map[string]string{
			guard + "CreateFreeze": `"for": "60s", "reason": "why"`, guard + "DeleteFreeze": `"scope": "all"`, guard + "OverrideHold": `"reason": "why"`,
			nodes + "DrainNode": `"id": "node-1"`, nodes + "ReplaceNode": `"id": "node-1", "force": true`, plans + "ApprovePlan": `"id": "0123456789abcdef"`,
		} {
			agent.refused(t, m, call, ask(fields), 403, "WRONG_ROLE", "agent")
			member.refused(t, m, call, ask(fields), 403, "WRONG_ROLE", "member")
		}
	})
	t.Run("pages", func(t *testing.T) {
		as.refused(t, m, "/no/such/page", `{}`, 404, "")
		as.page(t, m, "/readyz", 200)
		as.page(t, m, "/healthz", 200)
		if status, text := s.nobody(t).do(t, http.MethodGet, m, "/metrics", "", ""); status != 401 {
			t.Errorf("/metrics to nobody: %d: %.200s", status, text)
		}
	})
}
