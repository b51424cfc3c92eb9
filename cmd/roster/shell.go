package main

import (
	"io"
	"os"

	"roster/cmd/internal/paint"
)

// shell is where a verb reads from and writes to, with the flags that every
// verb shares.
type shell struct {
	in       io.Reader
	out, err io.Writer
	paint    paint.Paint
}

func newShell() *shell {
	return &shell{in: os.Stdin, out: os.Stdout, err: os.Stderr, paint: paint.For(os.Stdout)}
}
