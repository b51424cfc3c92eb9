package fsm

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAJournalIsAQueueAndItsCopiesDoNotChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var j journal[int]
		var model []int
		type copied struct {
			j     journal[int]
			model []int
		}
		var copies []copied
		next := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"push", "pop", "copy"}).Draw(t, "step") {
			case "push":
				for range rapid.IntRange(1, 2000).Draw(t, "n") {
					j.push(next)
					model = append(model, next)
					next++
				}
			case "pop":
				for range min(len(model), rapid.IntRange(1, 2000).Draw(t, "n")) {
					j.pop()
					model = model[1:]
				}
			case "copy":
				copies = append(copies, copied{j, model})
			}
		}
		for _, c := range append(copies, copied{j, model}) {
			if c.j.len() != len(c.model) {
				t.Fatalf("%d values, want %d", c.j.len(), len(c.model))
			}
			for i, want := range c.model {
				if c.j.at(i) != want {
					t.Fatalf("value %d is %d, want %d", i, c.j.at(i), want)
				}
			}
		}
	})
}
