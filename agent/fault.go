package agent

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a config, and how to mend it.
type Fault struct {
	// File, Line and Column (from 1) say where; zero where the config came from
	// no file.
	File         string
	Line, Column int
	// Excerpt is the line itself with a caret under the column.
	Excerpt string
	// Path says where in the config, as `services[1].driver`.
	Path    string
	Message string
	Mend    string
}

func (f *Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	}
	if f.Path != "" {
		fmt.Fprintf(&b, "%s: ", f.Path)
	}
	b.WriteString(f.Message)
	if f.Mend != "" {
		fmt.Fprintf(&b, ": %s", f.Mend)
	}
	if f.Excerpt != "" {
		b.WriteByte('\n')
		b.WriteString(f.Excerpt)
	}
	return b.String()
}

// Faults are all of them.
type Faults []*Fault

func (fs Faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the single faults.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

func (fs *Faults) add(path, mend, message string, args ...any) {
	*fs = append(*fs, &Fault{Path: path, Message: fmt.Sprintf(message, args...), Mend: mend})
}

// err is nil where there is none.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}
