package client

import (
	"context"
	"fmt"

	v1 "roster/proto/roster/v1"
)

// Refresh asks any member for the list of all members and uses it from then on.
// It also learns the cluster's time, for request ids. The list is the answering
// member's own, perhaps an old one.
func (c *Client) Refresh(ctx context.Context) error {
	r, err := v1.NewClusterServiceClient(c).ListMembers(ctx, &v1.ListMembersRequest{Stale: true})
	if err != nil {
		return fmt.Errorf("list members: %w", err)
	}
	var addresses []string
	for _, m := range r.GetMembers() {
		if m.GetAddress() != "" {
			addresses = append(addresses, m.GetAddress())
		}
	}
	if err := c.SetMembers(addresses); err != nil {
		return fmt.Errorf("use the list of members: %w", err)
	}
	return nil
}
