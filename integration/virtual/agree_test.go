package virtual

import "bytes"

// agree wants members that have applied the same entries to have the same state.
func (w *world) agree() {
	hashes := map[uint64][]byte{}
	for _, m := range w.members {
		if m.run == nil {
			continue
		}
		state := m.run.State()
		before, known := hashes[state.Index()]
		if known && !bytes.Equal(before, state.Hash()) {
			w.t.Errorf("seed %d: members differ at index %d\n%s", w.seed, state.Index(), w.tale())
		}
		hashes[state.Index()] = state.Hash()
	}
}
