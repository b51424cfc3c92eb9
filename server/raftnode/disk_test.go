package raftnode

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

func TestALeaderWhoseDiskHangsTakesItselfOut(t *testing.T) {
	gates := map[string]*gate{}
	gating := gated(gates)
	c := newClusterOf(t, 3, func(cfg *Config) {
		gating(cfg)
		cfg.DiskBound, cfg.StopBound = 300*time.Millisecond, 200*time.Millisecond
	})
	c.write("k", "1")
	sick := c.leader()
	node := sick.node
	hung := gates[sick.identity.Name]
	hung.close()
	go func() {
		ctx := ctxFor(t)
		for !node.stopped() && ctx.Err() == nil {
			_ = node.wait(ctx, "write", func() error { return node.raft().Apply(nil, time.Millisecond).Error() })
		}
	}()
	err := sick.end()
	wantError(t, err, ErrDisk, "write to the log", "dmesg", sick.dir)
	if got := c.write("k", "2"); got == 0 {
		t.Error("the others take no writes")
	}
	hung.open()
	// The process would end now; here the test waits for what hung, and gives
	// the files back in its stead.
	must(t, node.raft().Shutdown().Error())
	node.calls.Wait()
	eventually(t, "the files are closed", func() bool { return node.closeFiles() == nil })
}

func TestADiskThatKeepsFailingStopsTheMember(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"full":    {syscall.ENOSPC, "the disk is full: make room"},
		"failing": {syscall.EIO, "look at the disk"},
	} {
		t.Run(name, func(t *testing.T) {
			gates := map[string]*gate{}
			c := newClusterOf(t, 3, gated(gates))
			c.write("k", "1")
			sick := c.follower()
			node := sick.node
			gates[sick.identity.Name].fail(fmt.Errorf("write: %w", test.err))
			c.write("k", "2")
			wantError(t, sick.end(), ErrDisk, "in a row", test.says)
			c.write("k", "3")
			if !node.stopped() {
				t.Error("it runs on")
			}
			sick.start()
			c.catchUp(sick)
			if got := get(sick.machine, "k"); got != "3" {
				t.Errorf("it came back and reads %q", got)
			}
		})
	}
}

func TestOneFailedWriteIsNoReasonToStop(t *testing.T) {
	w := newDiskWatch(t.TempDir(), time.Second)
	eio := errors.New("EIO")
	for range 5 {
		must(t, w.begin("a write")(eio))
		must(t, w.begin("a write")(eio))
		must(t, w.begin("another write")(eio))
		must(t, w.begin("a write")(nil))
		must(t, w.begin("another write")(nil))
	}
	must(t, w.begin("a write")(eio))
	must(t, w.begin("a write")(eio))
	must(t, w.begin("another write")(nil)) // of another kind: it proves nothing
	wantError(t, w.begin("a write")(eio), ErrDisk, "a write failed 3 times")
}

func TestASuspendedProcessDoesNotBlameItsDisk(t *testing.T) {
	w := newDiskWatch(t.TempDir(), time.Second)
	end := w.begin("a write")
	// However long the process was suspended: the watch counts its own ticks.
	for range ticksPerBound {
		must(t, w.tick())
	}
	must(t, end(nil))
	must(t, w.tick())
	w.begin("a write")
	for range ticksPerBound {
		must(t, w.tick())
	}
	wantError(t, w.tick(), ErrDisk, "a write", "has not ended")
}

func TestAProbeIsWrittenAndItsFailureCounts(t *testing.T) {
	w := newDiskWatch(t.TempDir()+"/gone", 40*time.Millisecond)
	wantError(t, w.probe(ctxFor(t)), ErrDisk, "probe write")
}
