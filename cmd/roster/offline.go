package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roster/fsm/topology"
	"roster/fsm/whatif"
	v1 "roster/proto/roster/v1"
)

// offline is a cluster that is only on paper: nodes, a topology, perhaps one to
// start from. Without --nodes a verb asks the members instead.
type offline struct {
	nodes, file, from string
}

// liveOnly are flags that say which cluster to ask, or how.
var liveOnly = []string{"member", "ca", "cert", "key", "cluster-id", "stale", "revision"}

func (o *offline) addTo(cmd *cobra.Command, file string) {
	addFileFlag(cmd, &o.file, file)
	cmd.Flags().StringVar(&o.nodes, "nodes", "", "ask no cluster: nodes from this `file`, or so many made up")
	must(cmd.MarkFlagFilename("nodes", "yaml", "yml"))
}

// addFromTo is for verbs that go from one topology to another.
func (o *offline) addFromTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.from, "from", "", "with --nodes: they serve this topology `file` now (default: nothing)")
	must(cmd.MarkFlagFilename("from", "yaml", "yml"))
}

// asked says whether it is about a cluster on paper.
func (o *offline) asked(cmd *cobra.Command) bool { return cmd.Flags().Changed("nodes") }

// validate refuses flags of a live cluster beside one on paper, and the other
// way round.
func (o *offline) validate(cmd *cobra.Command) error {
	if !o.asked(cmd) {
		if cmd.Flags().Changed("from") {
			return errors.New("--from is a topology that made-up nodes start from, and there is no --nodes\n  add --nodes FILE, or leave --from out: a live cluster starts from what it serves")
		}
		return nil
	}
	var live []string
	for _, name := range liveOnly {
		if cmd.Flags().Changed(name) {
			live = append(live, "--"+name)
		}
	}
	if len(live) > 0 {
		return fmt.Errorf("--nodes asks no cluster, and %s is for one: leave one out", strings.Join(live, ", "))
	}
	input := 0
	for _, path := range []string{o.nodes, o.file, o.from} {
		if path == "-" {
			input++
		}
	}
	if input > 1 {
		return errors.New("the input can be one file only: name the others")
	}
	return nil
}

// paper is a cluster that was read.
type paper struct {
	nodes []*v1.Node
	// What -f and --from say; nil: not given.
	wanted, from *v1.Topology
	lines        topology.LineTable
	now          time.Time
}

// read reads the files.
func (o *offline) read(sh *shell) (*paper, error) {
	p := &paper{now: time.Now().UTC()}
	var err error
	if p.nodes, _, err = readNodes(sh.in, o.nodes); err != nil {
		return nil, err
	}
	if o.file != "" {
		name, source, err := readSource(sh.in, o.file)
		if err != nil {
			return nil, err
		}
		if p.wanted, err = topology.Parse(name, source); err != nil {
			return nil, err
		}
		p.lines = topology.Lines(name, source)
	}
	if o.from != "" {
		name, source, err := readSource(sh.in, o.from)
		if err != nil {
			return nil, err
		}
		if p.from, err = topology.Parse(name, source); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// errNoFile is for verbs that need a topology where there is no cluster to have
// one.
var errNoFile = errors.New("the topology is missing: with --nodes there is no cluster to have one\n  name its file with -f")

// settled is the cluster on paper as it is once it serves what -f says.
func (o *offline) settled(sh *shell) (*whatif.Cluster, *paper, error) {
	if o.file == "" {
		return nil, nil, errNoFile
	}
	p, err := o.read(sh)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.begin(p.from)
	if err != nil {
		return nil, nil, err
	}
	// Where it comes from decides which nodes keep their seats.
	if c, err = c.Under(p.wanted); err != nil {
		return nil, nil, impossible(err)
	}
	return c, p, nil
}

// begin is the cluster as it serves a topology, or nothing.
func (p *paper) begin(serves *v1.Topology) (*whatif.Cluster, error) {
	if serves != nil {
		serves = topology.Effective(serves)
	}
	c, err := whatif.Offline(p.nodes, serves, p.now)
	return c, impossible(err)
}
