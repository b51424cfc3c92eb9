package agent

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// placer says where in a file faults are.
type placer struct {
	file  string
	lines []string
	root  ast.Node
}

// place fills in where a fault is; without a token, the begin of the file.
func (p *placer) place(f *Fault, tk *token.Token) *Fault {
	f.File, f.Line, f.Column = p.file, 1, 1
	if tk != nil && tk.Position != nil {
		f.Line, f.Column = max(1, tk.Position.Line), max(1, tk.Position.Column)
	}
	const widest = 200
	if f.Line <= len(p.lines) {
		text := strings.TrimRight(p.lines[f.Line-1], "\r")
		if len(text) > widest {
			text = text[:widest] + "…"
		}
		f.Excerpt = "  " + text + "\n  " + strings.Repeat(" ", min(f.Column-1, widest)) + "^"
	}
	return f
}

// syntax turns an error of the YAML library into a fault.
func (p *placer) syntax(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return Faults{p.place(&Fault{Message: err.Error(), Mend: "write it as docs/agents.md shows"}, nil)}
	}
	mend := "check indentation and quotes"
	if strings.Contains(y.GetMessage(), "already defined") {
		mend = "keep one of the two"
	}
	return Faults{p.place(&Fault{Message: y.GetMessage(), Mend: mend}, y.GetToken())}
}

// find returns the token of a path, or of the nearest part of it that is there.
func (p *placer) find(path string) *token.Token {
	for path != "" {
		query, err := yaml.PathString("$." + path)
		if err == nil {
			if node, err := query.FilterNode(p.root); err == nil && node != nil {
				return start(node)
			}
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return start(p.root)
}

// start is where a node begins; a mapping's own token is its first colon.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return start(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	}
	return n.GetToken()
}
