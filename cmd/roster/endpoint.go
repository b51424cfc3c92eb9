package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"roster/cmd/internal/connect"
	"roster/cmd/internal/view"
	v1 "roster/proto/roster/v1"
)

func newEndpoint(sh *shell) *cobra.Command {
	return group("endpoint", "Read where services answer", "", newEndpointList(sh))
}

func newEndpointList(sh *shell) *cobra.Command {
	request := &v1.ListEndpointsRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List where assigned services answer, and whether to send traffic there",
		Args:  arguments(0, 0),
	}
	cmd.Flags().StringVar(&request.Service, "service", "", "only this `service`")
	cmd.Flags().BoolVar(&request.Stale, "stale", false, "read the answering member's own state, perhaps old")
	cmd.RunE = sh.linked(func(ctx context.Context, link *connect.Link, _ []string) error {
		response, err := call(ctx, sh, v1.NewEndpointServiceClient(link).ListEndpoints, request)
		if err != nil {
			return err
		}
		if request.GetService() != "" && len(response.GetEndpoints()) == 0 {
			if err := sh.knownService(ctx, link, request.GetService()); err != nil {
				return err
			}
		}
		return sh.print(response, func(w io.Writer, look view.Look) error {
			return view.Endpoints(w, look, response.GetEndpoints())
		})
	})
	return cmd
}
