package topology

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
)

// FuzzParse holds for any bytes: nothing panics, what is refused has a file and
// a mend, and what is accepted means the same when it is written and read again.
func FuzzParse(f *testing.F) {
	for _, name := range Examples() {
		src, _ := Example(name)
		f.Add(src)
	}
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(names, "testdata/reference.yaml") {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if nodes, err := ParseNodes("fuzz.yaml", src); err != nil {
			checkFault(t, err)
		} else if len(nodes) == 0 {
			t.Fatal("a list of no nodes was accepted")
		}
		top, err := Parse("fuzz.yaml", src)
		if err != nil {
			checkFault(t, err)
			return
		}
		if err := Validate(top); err != nil {
			t.Fatalf("accepted as a file and refused as a message: %v", err)
		}
		file := Format(top)
		again, err := Parse("again.yaml", file)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		if !proto.Equal(top, again) {
			t.Fatalf("means something else when it is written again:\n%s\n%s", file, Format(again))
		}
		effective := Effective(top)
		if !proto.Equal(effective, Effective(effective)) {
			t.Fatalf("defaults of defaults differ:\n%s", Format(effective))
		}
		if _, err := Parse("effective.yaml", Format(effective)); err != nil {
			t.Fatalf("the effective file is refused: %v\n%s", err, Format(effective))
		}
	})
}

func checkFault(t *testing.T, err error) {
	t.Helper()
	var fault *Error
	if !errors.As(err, &fault) || fault.File == "" || fault.Message == "" || fault.Mend == "" || fault.Rule == "" {
		t.Fatalf("not a fault that says what to do: %v", err)
	}
}
