package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/integration/cluster"
	"roster/integration/loopback"
)

const (
	memberCount = 3
	agentCount  = 5
	portCount   = 3*memberCount + 5*agentCount
)

// devCluster is the script with a folder and ports of a test's own.
type devCluster struct {
	t   testing.TB
	dir string
	env []string
}

func newDevCluster(t testing.TB) *devCluster {
	t.Helper()
	d := &devCluster{t: t, dir: filepath.Join(loopback.Dir(t), "dev")}
	var ports []string
	for _, port := range loopback.Ports(t, portCount) {
		ports = append(ports, strconv.Itoa(port))
	}
	d.env = []string{"ROSTER_DEV_DIR=" + d.dir, "ROSTER_BIN=" + cluster.Binary(t), "ROSTER_DEV_PORTS=" + strings.Join(ports, " ")}
	t.Cleanup(func() {
		if t.Failed() {
			d.logs()
		}
		if r := d.run("down"); r.code != 0 {
			t.Errorf("down: exit code %d\n%s", r.code, r.stderr)
		}
	})
	return d
}

func (d *devCluster) run(args ...string) result {
	d.t.Helper()
	return run(d.t, d.env, "dev-cluster.sh", args...)
}

// logs tells the end of each process's log.
func (d *devCluster) logs() {
	files, _ := filepath.Glob(filepath.Join(d.dir, "log", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			d.t.Logf("end of %s:\n%s", file, text[max(0, len(text)-2<<10):])
		}
	}
}

// until waits until status begins as it should.
func (d *devCluster) until(what string, is func(result) bool) {
	d.t.Helper()
	cluster.Until(d.t, 3*time.Minute, what, func() error {
		if r := d.run("status"); !is(r) {
			return fmt.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
		}
		return nil
	})
}

// word says whether a line of status begins with a word.
func word(word string) func(result) bool {
	return func(r result) bool { return strings.Contains(r.stdout, "\n"+word) }
}

// pid is the recorded process of a member or an agent.
func (d *devCluster) pid(id string) int {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "run", id))
	if err != nil {
		d.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

func (d *devCluster) pids() (all []int) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "run", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, file := range files {
		all = append(all, d.pid(filepath.Base(file)))
	}
	return all
}

// lives says whether a process is there and is of the dev cluster.
func (d *devCluster) lives(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), d.dir)
}

func TestADevClusterComesUpBreaksMendsAndGoesDown(t *testing.T) {
	d := newDevCluster(t)
	d.run("up").ok(t)
	if r := d.run("status").ok(t); !word("OK · topology dev-cluster, revision 1, paired · settled")(r) || strings.Contains(r.stdout, "does not run") {
		t.Fatalf("status after up:\n%s", r.stdout)
	}
	before := d.pids()
	if len(before) != memberCount+agentCount {
		t.Fatalf("%d processes, not %d", len(before), memberCount+agentCount)
	}
	d.run("up").ok(t)
	if after := d.pids(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("up of what runs started processes: %v, then %v", before, after)
	}

	killed := d.pid("node-1")
	d.run("kill", "node-1").ok(t)
	if d.lives(killed) {
		t.Error("node-1 lives after kill")
	}
	d.until("node-1 is missed", word("DEGRADED"))
	d.run("kill", "node-1").ok(t)
	d.run("kill", "m2").ok(t)
	d.until("m2 is missed", func(r result) bool {
		return strings.Contains(r.stdout, "m2       does not run") && strings.Contains(r.stdout, "Member m2")
	})
	d.run("revive", "node-1").ok(t)
	d.run("revive", "m2").ok(t)
	d.run("revive", "m2").ok(t)
	if d.pid("node-1") == killed {
		t.Error("node-1 has the pid that was killed")
	}
	d.until("all is well again", func(r result) bool {
		return r.code == 0 && word("OK")(r) && !strings.Contains(r.stdout, "does not run")
	})

	examples(t, d)

	// A pid that another process has by now is never signalled.
	bystander := exec.Command("sleep", "600")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- bystander.Wait() }()
	defer func() { _ = bystander.Process.Kill() }() // it ends with the test
	d.run("kill", "node-5").ok(t)
	forged := fmt.Sprintf("%d\n12345\n", bystander.Process.Pid)
	if err := os.WriteFile(filepath.Join(d.dir, "run", "node-5"), []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	d.run("kill", "node-5").ok(t)
	running := d.pids()
	d.run("down").ok(t)
	for _, pid := range running {
		if d.lives(pid) {
			t.Errorf("process %d lives after down", pid)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("a process that is not the cluster's was ended: %v", err)
	default:
	}
	d.run("down").ok(t)
	if r := d.run("status"); r.code == 0 || strings.Contains(r.stdout, "pid") {
		t.Errorf("status after down: exit code %d\n%s", r.code, r.stdout)
	}

	// What was there is there again.
	d.run("up").ok(t)
	d.until("it goes on with what it had", word("OK · topology dev-cluster, revision 1, paired · settled"))
}

func TestADevClusterRefusesWhatItDoesNotKnow(t *testing.T) {
	d := &devCluster{t: t, dir: filepath.Join(t.TempDir(), "none")}
	d.env = []string{"ROSTER_DEV_DIR=" + d.dir, "ROSTER_BIN=/no/such/program", "ROSTER_DEV_PORTS=1 2 3"}
	for _, c := range []struct{ args, says string }{
		{"frob", "there is no verb"},
		{"up --frob", "up does not know"},
		{"up --agents", "--agents needs a value"},
		{"up --agents many", "is not a number"},
		{"up --members 0", "is not a number"},
		{"up --topology no/such.yaml", "cannot be read"},
		{"up", "is no program"},
		{"kill", "kill needs one id"},
		{"kill node-1", "there is no cluster"},
		{"revive m1 m2", "revive needs one id"},
		{"status", "there is no cluster"},
		{"status now", "takes no arguments"},
		{"env", "there is no cluster"},
	} {
		if r := d.run(strings.Fields(c.args)...); r.code != 1 || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%s: exit code %d, %q", c.args, r.code, r.stderr)
		}
	}
	if r := d.run("down"); r.code != 0 {
		t.Errorf("down of nothing: exit code %d, %s", r.code, r.stderr)
	}
	if r := d.run(); r.code != 0 || !strings.Contains(r.stdout, "dev-cluster.sh up") {
		t.Errorf("help: exit code %d, %s", r.code, r.stdout)
	}
}
