package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"roster/fsm/placement"
)

// shortestRun is the fewest ids that are worth a range.
const shortestRun = 3

// CompressIDs writes ids as the patterns that name exactly them, as
// topology.ExpandIDs reads them: node-1, node-2, node-3 become node-[1-3]. The
// last number of an id is what runs; ids with zeros before it run among their
// own length.
func CompressIDs(ids []string) (patterns []string) {
	ids = slices.Compact(slices.SortedFunc(slices.Values(ids), placement.Compare))
	type key struct {
		head, tail string
		// Length of the number where it has zeros before it; 0: it has none.
		width int
	}
	runs := map[key][]uint64{}
	for _, id := range ids {
		head, number, tail := lastNumber(id)
		value, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			patterns = append(patterns, id)
			continue
		}
		k := key{head: head, tail: tail}
		if len(number) > 1 && number[0] == '0' {
			k.width = len(number)
		}
		runs[k] = append(runs[k], value)
	}
	for k, values := range runs {
		// node-08, node-09 and node-10 run on: those as long as the padded ones.
		if k.width > 0 {
			plain := key{head: k.head, tail: k.tail}
			for _, v := range runs[plain] {
				if len(strconv.FormatUint(v, 10)) == k.width {
					values = append(values, v)
				}
			}
			runs[k] = values
			runs[plain] = slices.DeleteFunc(runs[plain], func(v uint64) bool { return len(strconv.FormatUint(v, 10)) == k.width })
		}
	}
	for k, values := range runs {
		slices.Sort(values)
		for len(values) > 0 {
			n := 1
			for n < len(values) && n < mostInRange && values[n] == values[0]+uint64(n) {
				n++
			}
			patterns = append(patterns, spell(k.head, k.tail, k.width, values[:n])...)
			values = values[n:]
		}
	}
	slices.SortFunc(patterns, placement.Compare)
	return patterns
}

// mostInRange is the most ids that a pattern may name.
const mostInRange = 10_000

func spell(head, tail string, width int, run []uint64) (patterns []string) {
	if len(run) < shortestRun {
		for _, v := range run {
			patterns = append(patterns, fmt.Sprintf("%s%0*d%s", head, width, v, tail))
		}
		return patterns
	}
	return []string{fmt.Sprintf("%s[%0*d-%0*d]%s", head, width, run[0], width, run[len(run)-1], tail)}
}

// lastNumber splits an id around its last digits; number is empty where there
// are none.
func lastNumber(id string) (head, number, tail string) {
	end := strings.LastIndexAny(id, "0123456789") + 1
	if end == 0 {
		return id, "", ""
	}
	begin := end
	for begin > 0 && id[begin-1] >= '0' && id[begin-1] <= '9' {
		begin--
	}
	return id[:begin], id[begin:end], id[end:]
}
