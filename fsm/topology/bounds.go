package topology

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Bounds of a file's form. They are checked before anything whose cost could
// grow faster than the file: characters first, then tokens, and only then is a
// syntax tree built. Nothing is ever expanded, so an alias bomb costs what its
// characters cost.
const (
	// MaxSize is the size in bytes that a file must stay under.
	MaxSize = 512 << 10
	// maxDepth is how deep mappings and lists may lie in each other; the
	// deepest topology has nine levels.
	maxDepth = 16
	// maxSigns is the most characters that YAML gives a meaning to.
	maxSigns = 200_000
	// maxKeys is the most keys that one mapping may have.
	maxKeys = 256
)

// checkText refuses what must not reach the lexer.
func checkText(s source) *Error {
	if len(s.text) >= MaxSize {
		return &Error{
			File: s.name, Rule: ruleSize,
			Message: fmt.Sprintf("the file has %d bytes; it must stay under %d", len(s.text), MaxSize),
			Mend:    "name nodes by label or by range, as node-[1-400], and check that this is the right file",
		}
	}
	at := position{line: 1, column: 0}
	signs := 0
	for i, r := range s.text {
		at.column++
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s.text[i:]); size == 1 {
				return s.fault(ruleCharacters, at, fmt.Sprintf("byte 0x%02x is not UTF-8", s.text[i]), "save the file as UTF-8")
			}
		}
		if forbidden(r) || (r == '\r' && !strings.HasPrefix(s.text[i:], "\r\n")) {
			return s.fault(ruleCharacters, at, fmt.Sprintf("the character U+%04X cannot be seen or changes how the line is shown", r), "take the character away")
		}
		if isSign(r) {
			if signs++; signs > maxSigns {
				return s.fault(ruleParts, at, fmt.Sprintf("the file has more than %d parts", maxSigns), "name nodes by label or by range, as node-[1-400]")
			}
		}
		if r == '\n' {
			at = position{line: at.line + 1, column: 0}
		}
	}
	return nil
}

// isSign reports whether YAML may give a meaning to a character.
func isSign(r rune) bool {
	switch r {
	case ',', ':', '-', '[', ']', '{', '}', '&', '*', '!', '?', '|', '>', '"', '\'', '#', '\n':
		return true
	}
	return false
}

// forbidden reports whether a character has no place in a file that people
// read: controls, and what turns the direction of writing.
func forbidden(r rune) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	case r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// checkTokens refuses what the file may not use, and what would make building
// the tree expensive.
func checkTokens(s source, tokens token.Tokens) *Error {
	var (
		n       nesting
		content bool // something of the first document was seen
		ended   bool // the first document has ended
		prev    *token.Token
	)
	for _, tk := range tokens {
		at := position{tk.Position.Line, tk.Position.Column}
		if tk.Type == token.CommentType {
			continue
		}
		if tk.Type == token.DocumentHeaderType && !content && !ended {
			content = true // a second header is a second document
			continue
		}
		if ended || tk.Type == token.DocumentHeaderType {
			return s.fault(ruleOneDocument, at, "a second document begins here", "keep one topology in one file: take away the lines from here on")
		}
		content = true
		switch tk.Type {
		case token.InvalidType:
			return syntaxFault(s, at, tk.Error)
		case token.DocumentEndType:
			ended = true
		case token.AnchorType, token.AliasType:
			return s.fault(ruleAlias, at, "anchors and aliases are not read", "write the value out where it is needed")
		case token.MergeKeyType:
			return s.fault(ruleAlias, at, "merge keys are not read", "write the keys out where they are needed")
		case token.TagType:
			return s.fault(ruleTag, at, "tags are not read", "take the tag away; the key says what kind of value it takes")
		case token.DirectiveType:
			return s.fault(ruleTag, at, "directives are not read", "take the line away")
		case token.LiteralType, token.FoldedType:
			return s.fault(ruleOneLine, at, "text over several lines is not read", "write the value on the line of its key")
		case token.MappingKeyType:
			return s.fault(ruleOneLine, at, "a key that is written with `?` is not read", "write `key: value`")
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType:
			if strings.Contains(strings.TrimSpace(tk.Origin), "\n") {
				return s.fault(ruleOneLine, at, "the text goes on over several lines", "write the value on one line; check the indentation of the next line")
			}
		}
		if fault := n.take(s, at, prev, tk); fault != nil {
			return fault
		}
		prev = tk
	}
	if !content {
		return &Error{File: s.name, Rule: ruleEmpty, Message: "the file is empty", Mend: "write at least a name and one pool, or see docs/topology.md for examples"}
	}
	return nil
}

// nesting follows, token by token, how deep the file is and how many keys each
// mapping has.
type nesting struct {
	flow   int
	blocks []block
}

// block is a mapping or a list that indentation makes.
type block struct {
	column int
	list   bool
	keys   int
}

func (n *nesting) take(s source, at position, prev, tk *token.Token) *Error {
	switch tk.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow--
	case token.SequenceEntryType:
		if n.flow == 0 {
			n.enter(at.column, true)
		}
	case token.MappingValueType:
		if n.flow == 0 && prev != nil {
			if n.enter(prev.Position.Column, false) > maxKeys {
				return s.fault(ruleParts, at, fmt.Sprintf("a mapping has more than %d keys", maxKeys), "see docs/topology.md for the keys that there are")
			}
		}
	}
	if n.flow+len(n.blocks) > maxDepth {
		return s.fault(ruleDepth, at, fmt.Sprintf("mappings and lists lie more than %d deep in each other", maxDepth), "see docs/topology.md for the shape of the file")
	}
	return nil
}

// enter notes a key or an entry at a column and returns how many keys its
// mapping has so far.
func (n *nesting) enter(column int, list bool) int {
	for len(n.blocks) > 0 {
		top := &n.blocks[len(n.blocks)-1]
		if top.column == column && top.list == list {
			top.keys++
			return top.keys
		}
		// A list may stand at the column of the key that it belongs to.
		if top.column < column || (top.column == column && list) {
			break
		}
		n.blocks = n.blocks[:len(n.blocks)-1]
	}
	n.blocks = append(n.blocks, block{column: column, list: list, keys: 1})
	return 1
}
