package placement

import (
	"slices"
	"strings"

	v1 "roster/proto/roster/v1"
)

// locate numbers the places that any pool's spread tells apart, gives every
// node its own, and returns a node of each place.
func (p *problem) locate() []int {
	var keys []string
	for k := range p.pools {
		p.pools[k].spread = p.spreadOf(k)
		for _, key := range p.pools[k].spread {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	var samples []int
	numbers := map[string]int{}
	for i := range p.nodes {
		path := locationPath(p.nodes[i].Node, keys)
		number, known := numbers[path]
		if !known {
			number = len(samples)
			numbers[path] = number
			samples = append(samples, i)
		}
		p.nodes[i].location = number
	}
	return samples
}

// spreadOf returns the spread keys of a pool that make a difference: not those
// that set every one of its nodes apart, as `id` would.
func (p *problem) spreadOf(k int) []string {
	keys := p.pools[k].GetSpread()
	for level := range keys {
		seen, shared := map[string]bool{}, false
		for i := range p.nodes {
			if p.nodes[i].barrier[k] != free {
				continue
			}
			path := locationPath(p.nodes[i].Node, keys[:level+1])
			if shared = seen[path]; shared {
				break
			}
			seen[path] = true
		}
		if !shared {
			return keys[:level]
		}
	}
	return keys
}

// locationPath joins the values of some labels; a node without a label stands
// in a place of its own kind, apart from every value.
func locationPath(n *v1.Node, keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	var b strings.Builder
	for _, key := range keys {
		if value, there := label(n, key); there {
			b.WriteByte('=')
			b.WriteString(value)
		}
		b.WriteByte(0)
	}
	return b.String()
}
