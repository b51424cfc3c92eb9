package problem

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestTheAPIsPageHasEveryReasonWord reads the words where they are declared,
// the state machine's too.
func TestTheAPIsPageHasEveryReasonWord(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for _, path := range []string{"reason.go", "../../../fsm/refusal.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				words++
				if word := strings.Trim(lit.Value, `"`); !strings.Contains(string(page), "`"+word+"`") {
					t.Errorf("docs/api.md does not explain %s (%s)", word, path)
				}
			}
			return true
		})
	}
	if words < 40 {
		t.Errorf("only %d words were found", words)
	}
}
