package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"roster/agent"
)

func newAgent(sh *shell) *cobra.Command {
	var path string
	var logging logFlags
	cmd := &cobra.Command{
		Use:   "agent --config FILE",
		Short: "Run the agent of a mail node",
		Long: `Run the agent of a mail node until it is told to stop. What the node may run, and
where members are, is in its config file. Services that it started run on when it
stops; started again, it takes them over.`,
		Example: "  roster agent --config /etc/roster/agent.yaml",
		Args:    arguments(0, 0),
	}
	cmd.Flags().StringVar(&path, "config", "", "the agent's config `file`")
	must(cmd.MarkFlagFilename("config", "yaml", "yml"))
	logging.addTo(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if path == "" {
			return errors.New("the config file is missing: name it with --config")
		}
		logger, err := logging.logger(sh.err)
		if err != nil {
			return err
		}
		config, err := agent.LoadConfig(path)
		if err != nil {
			return err
		}
		config.Version, config.Logger = buildVersion(), logger
		a, err := agent.New(config)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return a.Run(cmd.Context())
	}
	return cmd
}
