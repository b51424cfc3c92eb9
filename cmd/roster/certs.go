package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"roster/client/identity"
)

func newCerts(sh *shell) *cobra.Command {
	return group("certs", "Make the certificates of a cluster",
		`Make the certificates of a cluster: an authority, kept in one folder, and from it
one for each member, agent and user. Files are never overwritten. Programs read
theirs again when they change, so a rotation needs no restart. Certificates of
another authority do as well, if their one URI name is
roster://CLUSTER/member|agent|user/NAME.`,
		newCertsCA(sh),
		newCertsIssue(sh, identity.Member, "NAME", "a member", "Make a member's certificate; NAME is the one given to init or join"),
		newCertsIssue(sh, identity.Agent, "NODE", "an agent", "Make an agent's certificate; it speaks for the node with this id alone"),
		newCertsIssue(sh, identity.User, "NAME", "a user", "Make an operator's certificate"))
}

func newCertsCA(sh *shell) *cobra.Command {
	var cluster, dir string
	var validity time.Duration
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Make a cluster's authority",
		Long: `Make a cluster's authority: ca.pem, which every party needs, and ca-key.pem, which
belongs on no member and no node.`,
		Example: "  roster certs ca --cluster example-mail --dir certs",
		Args:    arguments(0, 0),
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the cluster's `name`")
	cmd.Flags().StringVar(&dir, "dir", "certs", "`folder` for the authority")
	cmd.Flags().DurationVar(&validity, "validity", 0, "how long it holds, a `time` as 8760h (default ten years)")
	must(cmd.MarkFlagDirname("dir"))
	cmd.RunE = func(*cobra.Command, []string) error {
		if cluster == "" {
			return errors.New("the cluster has no name: give the one of init with --cluster")
		}
		authority, err := identity.NewAuthority(cluster, validity)
		if err != nil {
			return err
		}
		if err := authority.Save(dir); err != nil {
			return err
		}
		sh.say("The authority of %s is in %s, valid until %s. Keep %s to yourself.",
			cluster, dir, authority.NotAfter().Format(time.DateOnly), identity.CAKeyFile)
		return nil
	}
	return cmd
}

func newCertsIssue(sh *shell, role identity.Role, argument, whose, short string) *cobra.Command {
	var dir, out string
	var with identity.Issue
	cmd := &cobra.Command{
		Use:     string(role) + " " + argument,
		Short:   short,
		Long:    short + ".\n\nIt writes " + string(role) + "-" + argument + ".pem and " + string(role) + "-" + argument + "-key.pem.",
		Example: "  roster certs " + string(role) + " " + map[identity.Role]string{identity.Member: "m1", identity.Agent: "node-1", identity.User: "anna"}[role],
		Args:    arguments(1, 1),
	}
	cmd.Flags().StringVar(&dir, "dir", "certs", "`folder` of the authority")
	cmd.Flags().StringVar(&out, "out", "", "`folder` to write to (default: the authority's)")
	cmd.Flags().DurationVar(&with.Validity, "validity", 0, "how long it holds, a `time` as 720h (default one year); never longer than the authority")
	cmd.Flags().StringSliceVar(&with.Hosts, "host", nil, "a `name` or address for other programs' TLS; Roster itself does not look at them")
	must(cmd.MarkFlagDirname("dir"))
	must(cmd.MarkFlagDirname("out"))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if out == "" {
			out = dir
		}
		authority, err := identity.LoadAuthority(dir)
		if err != nil {
			return err
		}
		issued, err := authority.Issue(role, args[0], with)
		if err != nil {
			return fmt.Errorf("make the certificate of %s: %w", whose, err)
		}
		if err := os.MkdirAll(out, 0o700); err != nil {
			return fmt.Errorf("make folder for the certificate: %w", err)
		}
		base := filepath.Join(out, string(role)+"-"+args[0])
		if err := issued.Save(base+".pem", base+"-key.pem"); err != nil {
			return err
		}
		sh.say("%s.pem is %s, valid until %s; its key is %s-key.pem.",
			base, issued.Identity, issued.NotAfter.Format(time.DateOnly), base)
		return nil
	}
	return cmd
}
