package topology

// Error is one fault of a file, with its place and its mend.
type Error struct {
	// File is the name that the caller gave.
	File string
	// Line and Column count from 1; 0: the fault has no place in a file.
	Line, Column int
	// Excerpt is the line itself, with a caret under the column.
	Excerpt string
	// Path says where in the topology, as `pools.imap.count`.
	Path string
	// Rule is the id in the topology reference.
	Rule string
	// Message says what is wrong, Mend what to do.
	Message, Mend string
}

func (e *Error) Error() string { return e.Message }
