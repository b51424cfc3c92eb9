package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"roster/integration/await"
	"strings"
	"testing"
	"time"
)

// cliBound bounds one command.
const cliBound = 2 * time.Minute

// Result is how one command ended.
type Result struct {
	Args           []string
	Code           int
	Stdout, Stderr string
}

// String is the result for a failure message.
func (r Result) String() string {
	return fmt.Sprintf("roster %s: exit code %d\n%s%s", strings.Join(r.Args, " "), r.Code, r.Stdout, r.Stderr)
}

// OK fails the test unless the command ended with 0.
func (r Result) OK(t testing.TB) Result {
	t.Helper()
	if r.Code != 0 {
		t.Fatal(r.String())
	}
	return r
}

// Run runs the binary with no cluster in mind.
func Run(t testing.TB, args ...string) Result {
	t.Helper()
	return runWith(t, nil, args...)
}

func runWith(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cliBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...) //nolint:gosec // our own binary
	cmd.Env = append(plainEnvironment(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	result := Result{Args: args, Stdout: stdout.String(), Stderr: stderr.String()}
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		result.Code = exited.ExitCode()
	case err != nil:
		t.Fatalf("run roster %s: %v", strings.Join(args, " "), err)
	}
	return result
}

// plainEnvironment is ours without what would steer the command line.
func plainEnvironment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ROSTER_") {
			env = append(env, e)
		}
	}
	return env
}

// environment names the cluster and the operator's certificate.
func (c *Cluster) environment() []string {
	env := []string{"ROSTER_MEMBERS=" + strings.Join(c.addresses(), ",")}
	if c.secure {
		files := c.Certs("user", "operator")
		env = append(env, "ROSTER_CA="+files.CA, "ROSTER_CERT="+files.Cert, "ROSTER_KEY="+files.Key)
	}
	return env
}

// CLI runs a command against the cluster, as an operator who knows all members.
func (c *Cluster) CLI(args ...string) Result {
	c.t.Helper()
	return runWith(c.t, c.environment(), args...)
}

// JSON runs a command with `-o json` and decodes what it prints into.
func (c *Cluster) JSON(into any, args ...string) error {
	c.t.Helper()
	result := c.CLI(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(result.Stdout), into); err != nil {
		return fmt.Errorf("%s: %w", result, err)
	}
	if result.Code != 0 {
		return fmt.Errorf("roster %s: exit code %d: %s", strings.Join(args, " "), result.Code, result.Stderr)
	}
	return nil
}

// Status reads the cluster's status.
func (c *Cluster) Status() (*Status, error) {
	c.t.Helper()
	var status Status
	return &status, c.JSON(&status, "status", "--timeout", "10s")
}

// Until waits for a condition of the status and returns that status.
func (c *Cluster) Until(bound time.Duration, what string, condition func(*Status) error) *Status {
	c.t.Helper()
	var status *Status
	Until(c.t, bound, what, func() error {
		var err error
		if status, err = c.Status(); err != nil {
			return err
		}
		return condition(status)
	})
	return status
}

// Settled waits until the topology of this name is true.
func (c *Cluster) Settled(bound time.Duration, name string) *Status {
	c.t.Helper()
	return c.Until(bound, "settle on "+name, func(s *Status) error { return s.settledOn(name) })
}

// Until waits for a condition; its last error is what the test then says.
func Until(t testing.TB, bound time.Duration, what string, condition func() error) {
	t.Helper()
	await.Within(t, bound, 50*time.Millisecond, what, condition)
}
