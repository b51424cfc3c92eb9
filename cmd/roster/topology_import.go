package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/draft"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/output"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newTopologyImport(sh *shell) *cobra.Command {
	var path, name string
	var replace, detailed bool
	cmd := &cobra.Command{
		Use:   "import [-f FILE]",
		Short: "Write the topology that matches what nodes serve already",
		Long: `Write the topology that matches what the nodes serve already, as their agents
observe it: a pool for each set of services, with its nodes named one by one. It
goes to the output, or to FILE. Nothing is changed in the cluster; the plan of the file is made and
shown, and is empty.

With --detailed-exitcode it exits with 2 where the plan is not empty.`,
		Example: "  roster topology import -f mail.yaml && roster topology apply -f mail.yaml\n  roster node activate node-1",
		Args:    arguments(0, 0),
	}
	addFileFlag(cmd, &path, "write it to this `file`")
	cmd.Flags().StringVar(&name, "name", "imported", "the topology's `name`")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a file of that name")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where its plan is not empty")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		if path == "" && sh.format != output.Table {
			return fmt.Errorf("-o %s prints the plan of the file: say with -f where the file goes", sh.format)
		}
		if err := mayCreate(path, replace); err != nil {
			return err
		}
		made, err := sh.draft(ctx, link, name)
		if err != nil {
			return err
		}
		called := path
		if called == "" {
			called = name
		}
		planned, err := call(ctx, sh, v1.NewTopologyServiceClient(link).PlanTopology, &v1.PlanTopologyRequest{Source: made.Source, FileName: called})
		if err != nil {
			return fmt.Errorf("plan what was drafted: %w", err)
		}
		if err := sh.deliver(path, replace, made.Source, planned); err != nil {
			return err
		}
		if detailed && !isEmpty(planned.GetPlan()) {
			return exit.Quiet(exit.Changes)
		}
		return nil
	})
	return cmd
}

// draft reads what the nodes serve and writes the topology that matches it.
func (sh *shell) draft(ctx context.Context, link *connect.Link, name string) (*draft.Draft, error) {
	s, err := statusOf(sh, link, false)(ctx)
	if err != nil {
		return nil, err
	}
	response, err := call(ctx, sh, v1.NewNodeServiceClient(link).ListNodes, &v1.ListNodesRequest{})
	if err != nil {
		return nil, err
	}
	for _, n := range response.GetNodes() {
		if s.GetTopology() != nil && n.GetMode() != v1.AgentMode_AGENT_MODE_OBSERVE {
			return nil, fmt.Errorf("topology %s is in force and %s acts on it: a file of what the others serve would take its seat away\n"+
				"  add pools for the new nodes to the file that `roster topology get` prints, with their ids under `nodes:`", s.GetTopology().GetName(), n.GetId())
		}
	}
	made, err := draft.From(name, s.GetCluster(), response.GetNodes())
	if errors.Is(err, draft.ErrNothing) {
		return nil, fmt.Errorf("%w: there is nothing to import\n  `mode: observe` in an agent's config lets it report what runs; `roster node list` shows who does", err)
	}
	return made, err
}

// mayCreate refuses a file that is there.
func mayCreate(path string, replace bool) error {
	if path == "" || replace {
		return nil
	}
	switch _, err := os.Stat(path); {
	case err == nil:
		return fmt.Errorf("%s is there already: nothing was written\n  name another file, or --replace", path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write the topology: %w", err)
	}
	return nil
}

// deliver writes the file, and tells of its plan beside it.
func (sh *shell) deliver(path string, replace bool, source []byte, planned *v1.PlanTopologyResponse) error {
	people := sh.err
	if path == "" {
		if _, err := sh.out.Write(source); err != nil {
			return fmt.Errorf("write the topology: %w", err)
		}
	} else {
		if err := mayCreate(path, replace); err != nil {
			return err
		}
		if err := renameio.WriteFile(path, source, 0o644); err != nil {
			return fmt.Errorf("write the topology: %w", err)
		}
		people = sh.people()
		fmt.Fprintf(people, "%s is written.\n", path)
	}
	if sh.format != output.Table {
		return sh.print(planned, nil)
	}
	if isEmpty(planned.GetPlan()) {
		_, err := fmt.Fprintln(people, "Its plan is empty: to apply it starts, stops and moves nothing.")
		return err
	}
	if _, err := io.WriteString(people, "Its plan is not empty: look before you apply it.\n\n"); err != nil {
		return err
	}
	return view.Plan(people, lookOf(people), planned)
}

// isEmpty says whether carrying a plan out does nothing.
func isEmpty(plan *v1.Plan) bool { return len(plan.GetWaves()) == 0 && len(plan.GetShortages()) == 0 }
