package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"roster/server"
)

func newServer(sh *shell) *cobra.Command {
	var config server.Config
	var logging logFlags
	cmd := &cobra.Command{
		Use:   "server --data DIR",
		Short: "Run a member",
		Long: `Run the member whose data folder init or join made, until it is told to stop; it
hands leadership over first. Certificates are those of --ca, --cert and --key;
without them only loopback is accepted.`,
		Example: `  roster server --data /var/lib/roster/member --ca ca.pem --cert member-m1.pem --key member-m1-key.pem`,
		Args:    arguments(0, 0),
	}
	cmd.Flags().StringVar(&config.Dir, "data", "", "the member's data `folder`")
	cmd.Flags().StringVar(&config.Listen, "listen", "", "`address` to listen on for agents and clients (default: the member's address)")
	cmd.Flags().StringVar(&config.RaftListen, "raft-listen", "", "`address` to listen on for other members (default: the member's raft address)")
	cmd.Flags().StringVar(&config.HTTPListen, "http-listen", "", "`address` to listen on for JSON over HTTP, metrics and health (default: nowhere)")
	cmd.Flags().DurationVar(&config.Heartbeat, "heartbeat", 2*time.Second, "how `often` agents report; the same on every member")
	must(cmd.MarkFlagDirname("data"))
	logging.addTo(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		logger, err := logging.logger(sh.err)
		if err = errors.Join(err, sh.connect.Validate()); err != nil {
			return err
		}
		config.TLS, config.Version, config.Logger = sh.connect.Files, buildVersion(), logger
		member, err := server.New(config)
		if err != nil {
			return err
		}
		logger.Info("member listens", "address", member.Address(), "http", member.HTTPAddress(), "member", member.ID())
		return member.Run(cmd.Context())
	}
	return cmd
}
