package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

func newTopology(sh *shell) *cobra.Command {
	return group("topology", "Plan, apply and read the topology",
		`The topology is the file that says which pools of nodes serve which services.
Each accepted one is a revision, kept as it was written.`,
		newTopologyPlan(sh), newTopologyApply(sh), newTopologyGet(sh), newTopologyHistory(sh), newTopologyDiff(sh), newTopologyRollback(sh), newTopologyImport(sh),
		newTopologyPreset(sh), newTopologyExport(sh))
}

// mostSource is the largest file that is read: members refuse far smaller ones,
// with a sentence; this keeps a wrong path from filling the memory.
const mostSource = 2 << 20

// readSource reads a topology file, `-` from the input, and gives its name for
// messages: as it was typed.
func readSource(in io.Reader, path string) (name string, source []byte, err error) {
	if path == "-" {
		name = "stdin"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return "", nil, fmt.Errorf("read the topology: %w\n  -f names the file; -f - reads it from the input", err)
		}
		defer file.Close()
		in, name = file, path
	}
	source, err = io.ReadAll(io.LimitReader(in, mostSource+1))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("read the topology: %w", err)
	case len(source) > mostSource:
		return "", nil, fmt.Errorf("%s is larger than 2 MiB: that is no topology file", path)
	case len(source) == 0:
		return "", nil, fmt.Errorf("%s is empty: a topology needs a name and at least one pool", path)
	}
	return name, source, nil
}

func addFileFlag(cmd *cobra.Command, path *string, usage string) {
	cmd.Flags().StringVarP(path, "file", "f", "", usage)
	must(cmd.MarkFlagFilename("file", "yaml", "yml"))
}

// revision reads a revision's number.
func revision(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number == 0 {
		return 0, fmt.Errorf("%q is not the number of a revision\n  `roster topology history` lists them", text)
	}
	return number, nil
}
