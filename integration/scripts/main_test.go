// Package scripts proves the scripts that people are given: a dev cluster of
// real processes, and the examples that call the API of one. It knows them by
// what they print and by the processes that they leave.
package scripts

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// bound of one script.
const bound = 6 * time.Minute

// result is how a script ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a script of the repository with more environment.
func run(t testing.TB, env []string, script string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	path, err := filepath.Abs(filepath.Join("../../scripts", script))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "bash", append([]string{path}, args...)...) //nolint:gosec // our own script
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ROSTER_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// What it starts must not keep this test waiting for its output.
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String()}
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		r.code = exited.ExitCode()
	case err != nil:
		t.Fatalf("run %s %v: %v\n%s%s", script, args, err, r.stdout, r.stderr)
	}
	return r
}

func (r result) ok(t testing.TB) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return r
}
