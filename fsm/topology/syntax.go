package topology

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseTree turns a file into its YAML tree, within the bounds of a file's form.
// The tree is nil only with an error.
func parseTree(fileName string, text []byte) (s source, tree ast.Node, fault *Error) {
	// The mark that some editors put first says nothing.
	s = source{name: fileName, text: strings.TrimPrefix(string(text), "\ufeff")}
	if fault := checkText(s); fault != nil {
		return s, nil, fault
	}
	last := position{line: 1 + strings.Count(s.text, "\n"), column: 1}
	defer func() {
		// The library has met inputs before that it panicked on. A file must
		// never end a member, so what it cannot read is a fault of the file.
		if recover() != nil {
			tree, fault = nil, syntaxFault(s, last, "the file cannot be read as YAML")
		}
	}()
	tokens := lexer.Tokenize(s.text)
	if fault := checkTokens(s, tokens); fault != nil {
		return s, nil, fault
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at *yaml.SyntaxError
		if errors.As(err, &at) && at.Token != nil {
			return s, nil, syntaxFault(s, tokenPosition(at.Token), at.Message)
		}
		return s, nil, syntaxFault(s, last, "the file cannot be read as YAML")
	}
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if tree != nil {
			return s, nil, s.fault(ruleOneDocument, nodePosition(document.Body), "a second document begins here", "keep one topology in one file")
		}
		tree = document.Body
	}
	if tree == nil {
		return s, nil, &Error{File: s.name, Rule: ruleEmpty, Message: "the file says nothing", Mend: "write at least a name and one pool, or see docs/topology.md for examples"}
	}
	return s, tree, nil
}

// mends says what to do about the library's messages that an operator is
// likely to meet.
var mends = []struct{ part, mend string }{
	{"',' or ']' must be specified", "put a comma between entries; put a range in quotes inside a list in brackets: [\"node-[1-4]\"]"},
	{"',' or '}' must be specified", "put a comma between entries, and text with brackets or braces in quotes"},
	{"sequence end token ']' not found", "close the bracket"},
	{"mapping end token '}' not found", "close the brace"},
	{"could not find end character", "close the quotes"},
	{"tab character", "indent with spaces"},
	{`character '` + "\t", "indent with spaces"},
	{"mapping value is not allowed", "write one `key: value` to a line, or quote a value that contains a colon"},
	{"reserved character", "put the value in quotes"},
	{"map key-value is pre-defined", "close the bracket or brace that is open, or put a comma between entries"},
	{"value is not allowed in this context", "check that this line begins at the same column as its neighbours"},
	{"non-map value is specified", "write `key: value`, with a space after the colon"},
	{"unexpected key name", "write `key: value`; a key stands before the colon"},
}

func syntaxFault(s source, at position, message string) *Error {
	mend := "check indentation, quotes, colons and brackets here and on the line before"
	for _, known := range mends {
		if strings.Contains(message, known.part) {
			mend = known.mend
			break
		}
	}
	message, _, _ = strings.Cut(strings.ReplaceAll(message, "\t", `\t`), "\n")
	return s.fault(ruleSyntax, at, fmt.Sprintf("this is not YAML: %s", message), mend)
}

func tokenPosition(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{1, 1}
	}
	return position{tk.Position.Line, tk.Position.Column}
}

// nodePosition returns where a node begins. A mapping made by indentation
// begins at its first key; its token is the colon.
func nodePosition(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return nodePosition(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePosition(m.Key)
	case nil:
		return position{1, 1}
	}
	return tokenPosition(n.GetToken())
}
