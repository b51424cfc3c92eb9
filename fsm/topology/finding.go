package topology

import "slices"

// finding is a fault that a rule found in a message, before it is known where
// in a file that is.
type finding struct {
	rule    string
	path    path
	onKey   bool // the fault is the key, not its value
	message string
	mend    string
}

// findings collects what the rules find.
type findings []finding

func (f *findings) add(rule string, at path, message, mend string) {
	*f = append(*f, finding{rule: rule, path: at, message: message, mend: mend})
}

func (f *findings) addKey(rule string, at path, message, mend string) {
	*f = append(*f, finding{rule: rule, path: at, onKey: true, message: message, mend: mend})
}

// locate shows findings in the file that the message was read from, in the
// order of the file. It drops what join would before it cuts excerpts: each
// costs a walk through the file.
func locate(s source, root *place, found findings) []*Error {
	at := make(map[*finding]position, len(found))
	order := make([]*finding, len(found))
	for i := range found {
		f := &found[i]
		order[i] = f
		if where := root.find(f.path); f.onKey {
			at[f] = where.key
		} else {
			at[f] = where.value
		}
	}
	slices.SortStableFunc(order, func(a, b *finding) int { return at[a].compare(at[b]) })
	faults := make([]*Error, 0, maxFaults)
	for _, f := range order[:min(len(order), maxFaults)] {
		fault := s.fault(f.rule, at[f], f.message, f.mend)
		fault.Path = f.path.String()
		faults = append(faults, fault)
	}
	return faults
}

// pathsOnly makes errors of findings in a message that came from no file.
func pathsOnly(found findings) []*Error {
	faults := make([]*Error, len(found))
	for i, f := range found {
		faults[i] = &Error{Path: f.path.String(), Rule: f.rule, Message: f.message, Mend: f.mend}
	}
	return faults
}
