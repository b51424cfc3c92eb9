package problem

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
	storev1 "roster/proto/roster/store/v1"
)

func TestAProblemKeepsItsCodeWordAndSentence(t *testing.T) {
	err := New(codes.Aborted, StaleRevision, "revision %d is in force, 3 was expected", 4)
	if status.Code(err) != codes.Aborted || client.Reason(err) != "STALE_REVISION" || !Is(err, StaleRevision) || Is(err, StaleBasis) {
		t.Errorf("%v, reason %q", err, client.Reason(err))
	}
	if got := client.Sentence(err); got != "revision 4 is in force, 3 was expected" {
		t.Errorf("sentence %q", got)
	}
}

func TestARefusalBecomesAnErrorAndNeverSuccess(t *testing.T) {
	if err := FromRefusal(nil); err != nil {
		t.Errorf("none: %v", err)
	}
	err := FromRefusal(&storev1.Refusal{Code: uint32(codes.AlreadyExists), Reason: "OTHER_INSTANCE", Message: "m"})
	if status.Code(err) != codes.AlreadyExists || client.Reason(err) != "OTHER_INSTANCE" || client.Sentence(err) != "m" {
		t.Errorf("%v", err)
	}
	for _, code := range []uint32{0, 17, 1 << 31} {
		if err := FromRefusal(&storev1.Refusal{Code: code, Message: "m"}); status.Code(err) != codes.Internal {
			t.Errorf("code %d: %v", code, err)
		}
	}
	if err := New(codes.OK, NotFound, "m"); status.Code(err) != codes.Internal {
		t.Errorf("code OK: %v", err)
	}
	if Is(nil, NotFound) || Is(nil, "") {
		t.Error("no error has a reason")
	}
}

func TestReasonWordsAreDistinctAndUpperCase(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		word, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range word {
			if r != '_' && (r < 'A' || r > 'Z') {
				t.Errorf("%s is %q", spec.Names[0], word)
			}
		}
		if before := seen[word]; before != "" {
			t.Errorf("%s and %s are both %q", before, spec.Names[0], word)
		}
		seen[word] = spec.Names[0].Name
		return true
	})
	if len(seen) < 20 {
		t.Errorf("only %d words were found", len(seen))
	}
}
