package topology

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one fault of a file, with its place and its mend.
type Error struct {
	// File is the name that the caller gave.
	File string
	// Line and Column count from 1, columns in characters; 0: the fault has no
	// place in a file.
	Line, Column int
	// Excerpt is the line itself with a caret under the column; empty where
	// there is no place.
	Excerpt string
	// Path says where in the topology, as `pools[2].count`; empty where the
	// fault is one of the file as such.
	Path string
	// Rule is the rule's id in the topology reference.
	Rule string
	// Message says what is wrong, Mend what to do about it.
	Message, Mend string
}

// Error returns place, message and rule on the first line, then the excerpt and
// the mend.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		fmt.Fprintf(&b, "%s: ", e.File)
	case e.Path != "":
		fmt.Fprintf(&b, "%s: ", e.Path)
	}
	b.WriteString(e.Message)
	if e.Rule != "" {
		fmt.Fprintf(&b, " [%s]", e.Rule)
	}
	if e.Excerpt != "" {
		b.WriteString("\n" + e.Excerpt)
	}
	if e.Mend != "" {
		b.WriteString("\n  mend: " + e.Mend)
	}
	return b.String()
}

// Errors are the faults of one file, in the order of the file. errors.As finds
// the first of them as an *Error.
type Errors []*Error

// Error returns the faults one after the other.
func (es Errors) Error() string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the single faults.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// maxFaults bounds how many faults of one file are told: a file that is wrong
// throughout is one mistake, not thousands.
const maxFaults = 20

// join returns nil, the single fault, or all of them in the order of the file.
func join(faults []*Error) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b *Error) int {
		return position{a.Line, a.Column}.compare(position{b.Line, b.Column})
	})
	if len(faults) > maxFaults {
		faults = faults[:maxFaults]
	}
	if len(faults) == 1 {
		return faults[0]
	}
	return Errors(faults)
}

// source is a file's text, from which excerpts are cut.
type source struct {
	name string
	text string
}

// fault makes an error at a line and a column.
func (s source) fault(rule string, at position, message, mend string) *Error {
	return &Error{
		File: s.name, Line: at.line, Column: at.column, Excerpt: s.excerpt(at),
		Rule: rule, Message: message, Mend: mend,
	}
}

// excerptWidth is the most characters of a line that an excerpt shows.
const excerptWidth = 100

// excerpt returns the line at a position, numbered, with a caret below it.
func (s source) excerpt(at position) string {
	if at.line < 1 {
		return ""
	}
	rest := s.text
	for range at.line - 1 {
		_, after, found := strings.Cut(rest, "\n")
		if !found {
			rest = ""
			break
		}
		rest = after
	}
	text, _, _ := strings.Cut(rest, "\n")
	text = strings.TrimSuffix(text, "\r")
	length := utf8.RuneCountInString(text)
	caret := min(max(at.column-1, 0), length)
	from := max(min(caret-excerptWidth/2, length-excerptWidth), 0)
	var line []rune
	before, after := "", ""
	i := 0
	for _, r := range text { // what is no UTF-8 comes as U+FFFD
		if i == from+excerptWidth {
			after = "…"
			break
		}
		if i++; i <= from {
			before = "…"
			continue
		}
		if r == '\t' {
			r = ' '
		} else if forbidden(r) {
			r = utf8.RuneError
		}
		line = append(line, r)
	}
	caret -= from
	if before != "" {
		caret++
	}
	number := fmt.Sprintf("%5d", at.line)
	return fmt.Sprintf("%s | %s%s%s\n%s | %s^", number, before, string(line), after,
		strings.Repeat(" ", len(number)), strings.Repeat(" ", caret))
}
