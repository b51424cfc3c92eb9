package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"roster/server"
)

func newServer(sh *shell) *cobra.Command {
	var cfg server.Config
	var level slog.LevelVar
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run a member of the control plane",
		Long: `Runs the member whose data folder was made by roster init or roster join, until
it is told to end; a member that leads hands its lead over first.

Certificates are named by --ca, --cert and --key, and read again when they
change. Without them the member listens on loopback only.`,
		Example: `  roster server --data /var/lib/roster --ca ca.pem --cert m1.pem --key m1-key.pem`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.TLS = sh.connect.Files
			cfg.Version = version
			cfg.Logger = slog.New(slog.NewTextHandler(sh.err, &slog.HandlerOptions{Level: &level}))
			member, err := server.New(cfg)
			if err != nil {
				return err
			}
			fmt.Fprintf(sh.out, "member %s listens on %s\n", member.ID(), member.Address())
			return member.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Dir, "data", "", "data `folder`, made by roster init or roster join")
	flags.StringVar(&cfg.Listen, "listen", "", "`address` to listen on for agents and clients (default: the member's own)")
	flags.StringVar(&cfg.RaftListen, "raft-listen", "", "`address` to listen on for members (default: the member's own)")
	flags.DurationVar(&cfg.Heartbeat, "heartbeat", 0, "how often agents report (default 2s)")
	flags.TextVar(&level, "log-level", &level, "debug, info, warn or error")
	return cmd
}
