package raftnode

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// TestNoSpoiltLogEndsTheProcess spoils a real log in many ways. Each must be
// refused, or be read without a panic that nobody can catch: bbolt's own walk
// of the file runs in a goroutine of its own.
func TestNoSpoiltLogEndsTheProcess(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, logName)
	log, err := openLog(dir)
	must(t, err)
	var entries []*raft.Log
	for index := uint64(1); index <= 400; index++ {
		entries = append(entries, &raft.Log{Index: index, Term: 1, Data: make([]byte, 20+index%7*900)})
	}
	must(t, log.StoreLogs(entries))
	must(t, log.DeleteRange(1, 90))
	must(t, log.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, checkPages(path))
	// What follows was never used, and would take most of the blows.
	whole = bytes.TrimRight(whole, "\x00")
	whole = append(whole, make([]byte, 4096-len(whole)%4096)...)

	const spoilt, fewest = 150, 40
	refused := 0
	for seed := range uint64(spoilt) {
		random := rand.New(rand.NewPCG(seed, 4))
		content := append([]byte{}, whole...)
		for range 1 + random.IntN(4) {
			// Heads of pages are where the structure is.
			at := random.IntN(len(content)/4096)*4096 + random.IntN(4096)>>(random.IntN(8))
			content[at] ^= byte(1 << random.IntN(8))
		}
		if seed%5 == 0 {
			content = content[:random.IntN(len(content))]
		}
		must(t, os.WriteFile(path, content, 0o600))
		log, err := openLog(dir)
		if err != nil {
			wantError(t, err, ErrDamaged, "roster join")
			refused++
			continue
		}
		for index := uint64(0); index <= 401; index++ {
			_ = guarded(func() error { return log.GetLog(index, &raft.Log{}) })
		}
		must(t, guarded(log.Close))
	}
	t.Logf("%d of %d spoilt logs were refused", refused, spoilt)
	if refused < fewest {
		t.Errorf("only %d of %d spoilt logs were refused", refused, spoilt)
	}
}
