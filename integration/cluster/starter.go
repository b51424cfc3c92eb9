package cluster

import (
	"os/exec"
	"runtime"
	"sync"
)

// The kernel can end a child when the thread that started it ends
// (PR_SET_PDEATHSIG). So one goroutine keeps one thread for as long as the test
// process lives and starts every process: members and agents then die with the
// test, whatever ends it.
var (
	starterOnce sync.Once
	starts      chan startRequest
)

type startRequest struct {
	cmd    *exec.Cmd
	answer chan error
}

func startBound(cmd *exec.Cmd) error {
	starterOnce.Do(func() {
		starts = make(chan startRequest)
		go func() {
			runtime.LockOSThread()
			for request := range starts {
				request.answer <- request.cmd.Start()
			}
		}()
	})
	request := startRequest{cmd, make(chan error)}
	starts <- request
	return <-request.answer
}
