package main

import (
	"testing"

	"roster/cmd/internal/clidoc"
	"roster/cmd/internal/golden"
)

func TestCLIReferenceIsFresh(t *testing.T) {
	golden.Compare(t, "../../docs/cli.md", string(clidoc.Markdown(newRoot(newShell()))))
}
