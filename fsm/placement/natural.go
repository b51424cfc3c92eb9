package placement

import (
	"slices"
	"strings"
)

// Less orders ids as people count: node-2 before node-10.
func Less(a, b string) bool { return Compare(a, b) < 0 }

// Compare orders ids as people count: runs of digits by their value, all else
// byte by byte; ids that differ only in leading zeros by their bytes.
func Compare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if digit(x[0]) && digit(y[0]) {
			p, q := number(x), number(y)
			if c := compareNumbers(x[:p], y[:q]); c != 0 {
				return c
			}
			x, y = x[p:], y[q:]
			continue
		}
		if x[0] != y[0] {
			if x[0] < y[0] {
				return -1
			}
			return 1
		}
		x, y = x[1:], y[1:]
	}
	if len(x) != len(y) {
		if len(x) < len(y) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number returns the length of the run of digits that s begins with.
func number(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// sorted puts ids in their order.
func sorted(ids []string) []string {
	slices.SortFunc(ids, Compare)
	return ids
}
