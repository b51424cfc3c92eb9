package raftnode

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	storev1 "roster/proto/roster/store/v1"
)

// damagedAfter stops a member, lets spoil work on its directory, and gives the
// error with which it then does not start.
func damagedAfter(t *testing.T, spoil func(t *testing.T, dir string)) error {
	t.Helper()
	c := newCluster(t, nil)
	for _, value := range []string{"1", "2", "3"} {
		c.write("k", value)
	}
	m := c.members[0]
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	spoil(t, m.dir)
	if err := m.tryStart(); err != nil {
		return err
	}
	return m.end()
}

func TestATornLogGivesAnInstruction(t *testing.T) {
	log := func(dir string) string { return filepath.Join(dir, logName) }
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"cut to 3 pages":  func(t *testing.T, dir string) { must(t, os.Truncate(log(dir), 3*4096)) },
		"cut in a page":   func(t *testing.T, dir string) { must(t, os.Truncate(log(dir), 5*4096+17)) },
		"cut to one page": func(t *testing.T, dir string) { must(t, os.Truncate(log(dir), 4096)) },
		"empty":           func(t *testing.T, dir string) { must(t, os.Truncate(log(dir), 0)) },
		"no log at all":   func(t *testing.T, dir string) { must(t, os.Remove(log(dir))) },
		"zeroes over all pages but the first two": func(t *testing.T, dir string) {
			overwrite(t, log(dir), 2*4096, make([]byte, 16*4096))
		},
		"text": func(t *testing.T, dir string) {
			must(t, os.WriteFile(log(dir), []byte("this is no log\n"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, damagedAfter(t, spoil), ErrDamaged, logName, "roster join", "roster member remove")
		})
	}
}

func TestAMemberFileThatCannotBeReadGivesAnInstruction(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	if _, err := Init(dir, initOptions(t)); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(dir, identityName), []byte("{\"format\": 1, \"id\""), 0o600))
	_, err := Load(dir)
	wantError(t, err, ErrDamaged, identityName, "roster join")
	must(t, os.WriteFile(filepath.Join(dir, identityName), []byte("{\"format\": 99}"), 0o600))
	_, err = Load(dir)
	wantError(t, err, nil, "newer")
}

// flipInLog changes one byte of the newest command in a stopped member's log,
// as a disk would: bbolt does not notice.
func flipInLog(t *testing.T, dir string) {
	t.Helper()
	log, err := openLog(dir)
	must(t, err)
	defer func() { must(t, log.Close()) }()
	last, err := log.LastIndex()
	must(t, err)
	for index := last; ; index-- {
		var entry raft.Log
		must(t, log.GetLog(index, &entry))
		if entry.Type == raft.LogCommand {
			entry.Data[len(entry.Data)/2] ^= 0x01
			must(t, log.StoreLog(&entry))
			return
		}
	}
}

func TestAFlippedByteStopsTheMemberAndNoOther(t *testing.T) {
	c := newClusterOf(t, 3, nil)
	c.write("k", "1")
	follower := c.follower()
	c.catchUp(follower)
	must(t, follower.halt())
	flipInLog(t, follower.dir)
	must(t, follower.tryStart())
	wantError(t, follower.end(), ErrBroken, "checksum", "entry ", "roster join")
	if got := get(follower.machine, "k"); got != "" {
		t.Errorf("the damaged entry was applied: %q", got)
	}
	c.write("k", "2")
}

func TestNothingIsAppliedAfterABrokenEntry(t *testing.T) {
	c := newCluster(t, nil)
	c.write("k", "1")
	m := c.members[0]
	node := m.node
	m.node = nil
	before := m.machine.State().Index()
	broken := node.raft().Apply([]byte("no entry"), 0)
	_ = node.raft().Apply([]byte("no entry either"), 0)
	wantError(t, m.end(), ErrBroken)
	if answer, ok := broken.Response().(applied); !ok || answer.err == nil {
		t.Errorf("the broken entry was answered with %v", broken.Response())
	}
	if after := m.machine.State().Index(); after != before {
		t.Errorf("the state went on from %d to %d", before, after)
	}
	if _, err := node.replica.Snapshot(); !errors.Is(err, ErrBroken) {
		t.Errorf("a broken machine gave a snapshot: %v", err)
	}
}

func TestAnEntryOfAnotherClusterIsRefusedBeforeTheLog(t *testing.T) {
	c := newCluster(t, nil)
	c.write("k", "1")
	foreign := put("k", "2")
	foreign.ClusterId = "another"
	_, err := c.members[0].node.Propose(ctxFor(t), []*storev1.Envelope{foreign})
	wantError(t, err, ErrWrongCluster)
	c.write("k", "3")
}

func TestADamagedSnapshotGivesAnInstruction(t *testing.T) {
	c := newCluster(t, func(cfg *Config) { cfg.SnapshotThreshold = 1 })
	for range 20 {
		c.write("k", "1")
		c.write("k", "2")
	}
	m := c.members[0]
	if _, _, err := m.node.Snapshot(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	must(t, m.halt())
	states, err := filepath.Glob(filepath.Join(m.dir, snapshotsName, "*", "state.bin"))
	must(t, err)
	if len(states) != 1 {
		t.Fatalf("snapshots: %v", states)
	}
	overwrite(t, states[0], 10, []byte("flipped"))
	must(t, m.tryStart())
	wantError(t, m.end(), ErrDamaged, "snapshot", "roster join")
}

// follower is a live member that does not lead.
func (c *testCluster) follower() *testMember {
	c.t.Helper()
	leader := c.leader()
	for _, m := range c.live() {
		if m != leader {
			return m
		}
	}
	c.t.Fatal("there is no follower")
	return nil
}

func overwrite(t *testing.T, path string, offset int64, content []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt(content, offset)
	must(t, errors.Join(err, file.Close()))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
