package topology

import (
	"strconv"
	"strings"

	v1 "roster/proto/roster/v1"
)

// LineTable says in which line of a file each part of a topology stands. Pools
// and services go by their names, as `pools.imap.count` or
// `services.imap.floors`; what else is a list, by number from 0.
type LineTable map[string]uint32

// Lines reads the table from a file. It is empty for one that is refused: there
// is nothing to point at.
func Lines(fileName string, src []byte) LineTable {
	lines := LineTable{}
	_, t, at, err := parse(fileName, src)
	if err != nil {
		return lines
	}
	names := map[string][]string{}
	for _, p := range t.GetPools() {
		names["pools"] = append(names["pools"], p.GetName())
	}
	for _, s := range t.GetServices() {
		names["services"] = append(names["services"], s.GetName())
	}
	for key, below := range at.fields {
		lines[key] = uint32(below.key.line)
		for i, item := range below.items {
			if i < len(names[key]) {
				lines.put(key+"."+names[key][i], item)
			}
		}
		if len(names[key]) == 0 {
			lines.put(key, below)
		}
	}
	return lines
}

// put notes a part and everything below it.
func (l LineTable) put(path string, at *place) {
	l[path] = uint32(at.key.line)
	for key, below := range at.fields {
		l.put(path+"."+key, below)
	}
	for i, item := range at.items {
		l.put(path+"."+strconv.Itoa(i), item)
	}
}

// Line is that of a part, or of the closest part around it that is written; 0:
// neither is.
func (l LineTable) Line(path string) uint32 {
	for {
		if line, ok := l[path]; ok {
			return line
		}
		up := strings.LastIndexByte(path, '.')
		if up < 0 {
			return 0
		}
		path = path[:up]
	}
}

// Mark gives the rules of conflicts their lines. The conflicts are the caller's
// own, and nobody has seen them yet.
func (l LineTable) Mark(conflicts []*v1.Conflict) {
	for _, c := range conflicts {
		for _, r := range c.GetRules() {
			r.Line = l.Line(r.GetPath())
		}
	}
}
