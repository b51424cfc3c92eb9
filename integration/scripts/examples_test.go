package scripts

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"roster/integration/require"
)

// examples runs what shows how to call the API, against the members of a dev
// cluster.
func examples(t *testing.T, d *devCluster) {
	t.Helper()
	env := d.operator()
	t.Run("curl", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("needs curl: it is not installed")
		}
		r := run(t, env, "examples/curl.sh", "node-1").ok(t)
		for _, want := range []string{`"state": "ok"`, `"nodes": [`, `"generation": `, `"code": "invalid_argument"`, `"kind":"node.cordoned"`, `"kind":"node.uncordoned"`} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s is missing in\n%s", want, r.stdout)
			}
		}
		if n := strings.Count(r.stdout, `"kind":"node.cordoned"`); n != 1 {
			t.Errorf("one request id cordoned %d times", n)
		}
		if r := run(t, env, "examples/curl.sh", "node-77"); r.code == 0 || !strings.Contains(r.stderr, "HTTP 404") {
			t.Errorf("of a node that there is not: exit code %d\n%s", r.code, r.stderr)
		}
		if r := run(t, nil, "examples/curl.sh", "node-1"); r.code == 0 || !strings.Contains(r.stderr, "ROSTER_HTTP") {
			t.Errorf("without a member: exit code %d\n%s", r.code, r.stderr)
		}
	})
	t.Run("grpcurl", func(t *testing.T) {
		env := env
		if program := os.Getenv("GRPCURL"); program == "" {
			require.Slow(t) // it is built first, from tools.mod
		}
		r := run(t, env, "examples/grpcurl.sh", "node-1").ok(t)
		for _, want := range []string{"roster.v1.GuardService", ".google.protobuf.Duration for = 3", "STATUS_STATE_OK", `"scope": "node:node-1"`, "there is no node of that name", `"kind": "freeze.ended"`} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s is missing in\n%s", want, r.stdout)
			}
		}
	})
}

// operator is what `env` prints for eval.
func (d *devCluster) operator() (env []string) {
	d.t.Helper()
	for line := range strings.Lines(d.run("env").ok(d.t).stdout) {
		env = append(env, strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(line), "export "), "'", ""))
	}
	return env
}
