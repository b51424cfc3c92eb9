package raftnode

import "sync"

// calls are goroutines that wait for raft's answers. Unlike a sync.WaitGroup it
// may be waited for while others begin: callers do not ask before they come.
type calls struct {
	mu      sync.Mutex
	running int
	idle    *sync.Cond
}

func newCalls() *calls {
	c := &calls{}
	c.idle = sync.NewCond(&c.mu)
	return c
}

// Go runs f.
func (c *calls) Go(f func()) {
	c.mu.Lock()
	c.running++
	c.mu.Unlock()
	go func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.running--; c.running == 0 {
				c.idle.Broadcast()
			}
		}()
		f()
	}()
}

// Wait waits until none runs.
func (c *calls) Wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.running > 0 {
		c.idle.Wait()
	}
}
