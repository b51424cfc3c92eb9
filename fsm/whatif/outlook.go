package whatif

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

// Outlook is what the cluster would survive as it is, without pairs of nodes.
func (c *Cluster) Outlook() *v1.Survival { return &v1.Survival{Time: timestamppb.New(c.Now)} }
