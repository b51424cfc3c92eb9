package fsm

import "slices"

// chunkSize is the number of values that one allocation of a journal holds.
const chunkSize = 1024

// journal is a queue that grows at its end and shrinks at its front. A copy of
// the struct is an immutable view: pushing to one copy never changes what
// another sees, since a slot is written once and lies beyond every earlier
// copy's end. Only one line of copies may be pushed to. The zero value is empty.
//
// Events and request results are many, small, and only ever read in order; a
// radix tree over them would cost ten times the memory and time.
type journal[T any] struct {
	// chunks[0] holds first.
	chunks []*[chunkSize]T
	// Sequence numbers: of the oldest value, and of the one to come.
	first, next uint64
}

func (j *journal[T]) len() int { return int(j.next - j.first) }

// at returns the i-th value, 0 the oldest.
func (j *journal[T]) at(i int) T {
	seq := j.first + uint64(i)
	return j.chunks[seq/chunkSize-j.first/chunkSize][seq%chunkSize]
}

func (j *journal[T]) push(v T) {
	if j.next%chunkSize == 0 {
		// Clip, so that copies of this journal never share spare capacity.
		j.chunks = append(slices.Clip(j.chunks), new([chunkSize]T))
	}
	j.chunks[len(j.chunks)-1][j.next%chunkSize] = v
	j.next++
}

// pop takes the oldest value away.
func (j *journal[T]) pop() {
	j.first++
	if j.first%chunkSize == 0 {
		j.chunks = j.chunks[1:]
	}
}
