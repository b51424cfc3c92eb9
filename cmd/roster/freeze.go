package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// frost is what every verb that freezes takes: for how long, and why.
type frost struct {
	writeFlags
	lasts  time.Duration
	reason string
}

func (f *frost) addTo(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.lasts, "for", 0, "how long, a `time` as 2h; it ends by itself then")
	cmd.Flags().StringVar(&f.reason, "reason", "", "`why`, for whoever reads status")
	f.writeFlags.addTo(cmd)
}

// validate reports every fault at once.
func (f *frost) validate() error {
	var faults []error
	switch {
	case f.lasts == 0:
		faults = append(faults, errors.New("for how long is missing: say it with --for, as --for 2h"))
	case f.lasts < 0:
		faults = append(faults, errors.New("--for is negative"))
	}
	if f.reason == "" {
		faults = append(faults, errors.New("the reason is missing: say it with --reason, for whoever reads status"))
	}
	return errors.Join(faults...)
}

func (f *frost) create(ctx context.Context, sh *shell, link *connect.Link, scope string) (*v1.CreateFreezeResponse, error) {
	response, err := call(ctx, sh, v1.NewGuardServiceClient(link).CreateFreeze, &v1.CreateFreezeRequest{
		RequestId: f.id(link), Scope: scope, For: durationpb.New(f.lasts), Reason: f.reason,
	})
	return response, f.outcome(err)
}

func newFreeze(sh *shell) *cobra.Command {
	var with frost
	var scope string
	cmd := &cobra.Command{
		Use:   "freeze [--scope SCOPE] --for TIME --reason TEXT",
		Short: "Let nothing start, stop or move for a while",
		Long: `Let nothing start, stop or move for a while, repair included: in the whole
cluster, or in a scope: node:ID, pool:NAME, service:NAME, region:NAME, zone:NAME.
It ends by itself; "roster unfreeze" ends it sooner, "roster freezes" lists them.`,
		Example: `  roster freeze --for 2h --reason "switch is replaced"
  roster freeze --scope zone:a1 --for 30m --reason "power test"`,
		Args: arguments(0, 0),
	}
	cmd.Flags().StringVar(&scope, "scope", "all", "what is frozen: all, or `kind:name`")
	must(cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(scopes, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)))
	with.addTo(cmd)
	cmd.RunE = sh.checked(with.validate, func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := with.create(ctx, sh, link, scope)
		if err != nil {
			return err
		}
		f := response.GetFreeze()
		return sh.told(response, "%s", fmt.Sprintf("Frozen until %s: %s. Nothing there starts, stops or moves, repair included.\n`roster unfreeze %s` ends it.",
			word.Time(f.GetExpires()), f.GetScope(), f.GetId()))
	})
	return cmd
}

// scopes are what a scope begins with.
var scopes = []string{"all", "node:", "pool:", "service:", "region:", "zone:"}
