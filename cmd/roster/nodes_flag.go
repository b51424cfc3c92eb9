package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

// readNodes reads the value of --nodes: a number (made up, over three regions),
// a file that lists them, or - for the input.
func readNodes(in io.Reader, value string) (nodes []*v1.Node, madeUp bool, err error) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if err != nil || n < 1 || n > topology.MostLaid {
			return nil, false, fmt.Errorf("--nodes %s is out of range: 1 to %d nodes, or a file that lists them", value, topology.MostLaid)
		}
		return topology.LayNodes(int(n)), true, nil
	}
	name := value
	if value == "-" {
		name = "stdin"
	} else {
		file, err := os.Open(value)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, false, fmt.Errorf("--nodes %s is neither a number nor a file that is there\n  write a number, as --nodes 10, or a file that lists nodes, as `- {id: node-1, region: a}`", value)
		case err != nil:
			return nil, false, fmt.Errorf("read the nodes: %w", err)
		}
		defer file.Close()
		in = file
	}
	source, err := io.ReadAll(io.LimitReader(in, mostSource+1))
	if err != nil {
		return nil, false, fmt.Errorf("read the nodes: %w", err)
	}
	nodes, err = topology.ParseNodes(name, source)
	return nodes, false, err
}
