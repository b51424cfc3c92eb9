package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roster/cmd/internal/dev"
	"roster/cmd/internal/exit"
	"roster/cmd/internal/output"
	"roster/fsm/topology"
	v1 "roster/proto/roster/v1"
)

type devFlags struct {
	model, file, nodes, dir      string
	members                      int
	once, restartGroups, verbose bool
	acceptShortage               bool
	settle, startDelay           time.Duration
}

func newDev(sh *shell) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster in this process, to look at and to try things on",
		Long: `Members and mail nodes in one process, on loopback, with nothing installed: small
servers stand in for the mail daemons and greet in their protocols. The state is
drawn until Ctrl-C. A second shell can plan, apply and cordon; it is told where
the API listens. With -o json it prints one object per change; with --once, one.`,
		Example: `  roster dev
  roster dev --model weighted
  roster dev -f topology.yaml --nodes 20 --members 5
  roster dev --once -o json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDev(cmd.Context(), sh, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "topology `model`: "+strings.Join(topology.Examples(), ", ")+", sized for --nodes (default service-specific)")
	flags.StringVarP(&f.file, "file", "f", "", "topology `file`, instead of a model; - reads the input")
	flags.StringVar(&f.nodes, "nodes", "", "`number` of nodes, or a file that lists them (default the ten of three regions)")
	flags.BoolVar(&f.acceptShortage, "accept-shortage", false, "accept what the nodes cannot fill")
	flags.IntVar(&f.members, "members", 3, "`number` of members")
	flags.BoolVar(&f.once, "once", false, "wait until the cluster settled, print its status, end")
	flags.DurationVar(&f.settle, "settle", 2*time.Minute, "longest `time` until the cluster settled")
	flags.BoolVar(&f.restartGroups, "restart-groups", false, "every change of a service restarts all services of its node")
	flags.DurationVar(&f.startDelay, "start-delay", 0, "`time` that a small server takes until it answers, as a real daemon does")
	flags.StringVar(&f.dir, "dir", "", "`folder` to keep data in (default: one that is removed at the end)")
	flags.BoolVar(&f.verbose, "verbose", false, "log to stderr")
	exclude(cmd, "model", "file")
	cmd.AddCommand(newDevCut("kill", "Cut a node or a member of the running `roster dev` off, without goodbye"),
		newDevCut("revive", "Bring back what was cut off"))
	return cmd
}

func runDev(ctx context.Context, sh *shell, f devFlags) error {
	nodes, err := dev.NodesFrom(f.nodes)
	if err != nil {
		return err
	}
	source, name, err := f.topology(sh.in, nodes)
	if err != nil {
		return err
	}
	dir, cleanUp, err := f.folder()
	if err != nil {
		return err
	}
	defer cleanUp()
	level := slog.LevelError + 4
	if f.verbose {
		level = slog.LevelDebug
	}
	err = dev.Session{
		Options: dev.Options{
			Members: f.members, Nodes: nodes, RestartGroups: f.restartGroups, StartDelay: f.startDelay, Dir: dir, Version: buildVersion(),
			Logger: slog.New(slog.NewTextHandler(sh.err, &slog.HandlerOptions{Level: level})),
		},
		Source: source, FileName: name, AcceptShortage: f.acceptShortage, Once: f.once, Picture: sh.format == output.Table, Timeout: f.settle,
		Out: sh.out, Notes: sh.err, Show: sh.showStatus,
	}.Run(ctx)
	if errors.Is(err, dev.ErrNotSettled) {
		return exit.With(exit.Deadline, err)
	}
	return err
}

// topology is the file that was named, or the model: its example for the ten
// nodes of the examples, its preset for others.
func (f devFlags) topology(in io.Reader, nodes []*v1.Node) (source []byte, name string, err error) {
	if f.file != "" {
		name, source, err = readSource(in, f.file)
		return source, name, err
	}
	model := f.model
	if model == "" {
		model = "service-specific"
	}
	source, ok := topology.Example(model)
	if !ok {
		return nil, "", fmt.Errorf("--model %s is not known: %s", model, strings.Join(topology.Examples(), ", "))
	}
	if f.nodes != "" && slices.Contains(topology.Models(), model) {
		source, err = topology.PresetSource(model, nodes, false)
	}
	return source, model + ".yaml", err
}

func (f devFlags) folder() (dir string, cleanUp func(), err error) {
	if f.dir != "" {
		return f.dir, func() {}, os.MkdirAll(f.dir, 0o700)
	}
	dir, err = os.MkdirTemp("", "roster-dev-")
	return dir, func() { _ = os.RemoveAll(dir) }, err // what stays is in the system's temporary folder
}

func newDevCut(verb, short string) *cobra.Command {
	var pid int
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return dev.Ask(cmd.Context(), verb, args[0], pid)
		},
	}
	cmd.Flags().IntVar(&pid, "pid", 0, "process `id` of the dev cluster, where several run")
	return cmd
}
