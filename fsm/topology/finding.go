package topology

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

// locate shows findings in the file that the message was read from.
func locate(s source, root *place, found findings) []*Error {
	faults := make([]*Error, len(found))
	for i, f := range found {
		at := root.find(f.path)
		pos := at.value
		if f.onKey {
			pos = at.key
		}
		faults[i] = s.fault(f.rule, pos, f.message, f.mend)
		faults[i].Path = f.path.String()
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
