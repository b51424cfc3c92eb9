package topology

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxExpanded is the most ids that one pattern may name; maxAllExpanded the
// most that all patterns of a topology may.
const (
	maxExpanded    = 10_000
	maxAllExpanded = 100_000
)

// ExpandIDs lists the ids that a pattern names, in order: `node-[1-4]` names
// node-1 to node-4, `node-[01-10]` keeps the leading zero. A pattern may have
// several ranges and names at most 10,000 ids; without a range it names itself.
func ExpandIDs(pattern string) ([]string, error) {
	ids, message, mend := expandIDs(pattern)
	if message != "" {
		return nil, errors.New(message + ": " + mend)
	}
	return ids, nil
}

func expandIDs(pattern string) (ids []string, message, mend string) {
	const form = "write two whole numbers, the smaller first, as node-[1-4]"
	if len(pattern) > maxNodeID {
		_, mend = nodeIDFault(pattern)
		return nil, "the node id is too long", mend
	}
	ids = []string{""}
	for rest := pattern; rest != ""; {
		head, tail, found := strings.Cut(rest, "[")
		if strings.Contains(head, "]") {
			return nil, fmt.Sprintf("%s closes a range that was not opened", show(pattern)), form
		}
		for i := range ids {
			ids[i] += head
		}
		if !found {
			break
		}
		inner, after, closed := strings.Cut(tail, "]")
		if !closed {
			return nil, fmt.Sprintf("the range in %s is not closed", show(pattern)), form
		}
		first, last, ok := strings.Cut(inner, "-")
		from, err1 := strconv.ParseUint(first, 10, 31)
		to, err2 := strconv.ParseUint(last, 10, 31)
		if !ok || err1 != nil || err2 != nil || first[0] == '+' || last[0] == '+' {
			return nil, fmt.Sprintf("[%s] in %s is no range", inner, show(pattern)), form
		}
		if from > to {
			return nil, fmt.Sprintf("the range [%s] in %s runs backwards", inner, show(pattern)), fmt.Sprintf("write [%s-%s]", last, first)
		}
		width := 0
		if len(first) > 1 && first[0] == '0' || len(last) > 1 && last[0] == '0' {
			if width = len(first); len(last) != width {
				return nil, fmt.Sprintf("the numbers of [%s] in %s differ in length", inner, show(pattern)), "write both with the same number of digits, as [01-10]"
			}
		}
		if n := to - from + 1; n > maxExpanded || int(n)*len(ids) > maxExpanded {
			return nil, fmt.Sprintf("%s names more than %d nodes", show(pattern), maxExpanded), "name them by label with where, or split the range"
		}
		wider := make([]string, 0, len(ids)*int(to-from+1))
		for _, id := range ids {
			for i := from; i <= to; i++ {
				wider = append(wider, fmt.Sprintf("%s%0*d", id, width, i))
			}
		}
		ids, rest = wider, after
	}
	// All ids have the same characters but for digits: the last, which is the
	// longest, stands for all.
	if message, mend := nodeIDFault(ids[len(ids)-1]); message != "" {
		return nil, message, mend
	}
	return ids, "", ""
}

// isRange reports whether a pattern has a range.
func isRange(pattern string) bool { return strings.Contains(pattern, "[") }
