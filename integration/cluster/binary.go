// Package cluster runs Roster as its operators do: the built binary, members
// and agents as processes of their own on loopback, mutual TLS, and everything
// else through the command line. It owns the processes that it starts, their
// folders and their logs, and ends all of them with the test; what agents
// started is ended by its own pid files. It must not reach into a member or an
// agent: what it knows of a cluster it reads from `roster status -o json`.
//
// A Cluster belongs to one test; its methods may be called from several
// goroutines of that test.
package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

var (
	buildOnce sync.Once
	buildDir  string
	buildErr  error
)

// Main runs a package's tests and takes away what Binary built. Every package
// that uses a Cluster calls it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir) // a folder of the system's temporary ones
	}
	os.Exit(code)
}

// Binary builds roster, once per test process, and returns the path. The race
// detector is built in where the test itself runs under it. ROSTER_BINARY names
// one that was built before.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ROSTER_BINARY"); path != "" {
		return path
	}
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "roster-bin"); buildErr != nil {
			return
		}
		buildErr = build("./cmd/roster", filepath.Join(buildDir, "roster"))
		if buildErr == nil {
			buildErr = build("./integration/checker", filepath.Join(buildDir, "checker"))
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return filepath.Join(buildDir, "roster")
}

// Checker builds the checker beside roster and returns the path.
func Checker(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ROSTER_BINARY"); path != "" {
		return filepath.Join(filepath.Dir(path), "checker")
	}
	return filepath.Join(filepath.Dir(Binary(t)), "checker")
}

func build(pkg, to string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	args := []string{"build", "-o", to}
	if underRace {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, pkg)...) //nolint:gosec // our own packages
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the module: no go.mod above the working folder")
		}
		dir = parent
	}
}
