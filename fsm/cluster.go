package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

// initCluster gives the cluster its id. It works once.
func (d *draft) initCluster(c *storev1.InitCluster) *storev1.Result {
	if d.cluster != nil {
		return refused(codeAlreadyExists, ReasonAlreadyInitialised, "the cluster is initialised already, as %q", d.cluster.GetName())
	}
	if c.GetCluster().GetId() != d.env.GetClusterId() {
		return refused(codeInvalidArgument, ReasonInvalid, "the cluster's id %q is not that of the envelope, %q", c.GetCluster().GetId(), d.env.GetClusterId())
	}
	if err := checkCluster(c.GetCluster()); err != nil {
		return invalid(err)
	}
	cluster := proto.CloneOf(c.GetCluster())
	cluster.Created = d.env.GetTime()
	if cluster.GetEpoch() == 0 {
		cluster.Epoch = max(1, uint64(max(0, d.env.GetTime().AsTime().UnixMilli())))
	}
	if cluster.GetSchema() == 0 {
		cluster.Schema = d.env.GetSchema()
	}
	d.cluster = cluster
	d.emit(&v1.Event{Kind: EventClusterInitialised, Message: "cluster " + cluster.GetName() + " began"})
	return &storev1.Result{Changed: true}
}

func checkCluster(c *v1.Cluster) error {
	if err := checkMemberName("cluster id", c.GetId()); err != nil {
		return err
	}
	if err := checkClusterName(c.GetName()); err != nil {
		return err
	}
	if c.GetSchema() > Schema {
		return ErrSchema
	}
	return nil
}

// checkClusterName holds for what identities may name: it is the host of their
// URI.
func checkClusterName(name string) error {
	ok := name != "" && len(name) <= maxName
	for i, c := range []byte(name) {
		edge := i == 0 || i == len(name)-1
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || !edge && (c == '-' || c == '.'))
	}
	if !ok {
		return fmt.Errorf("cluster name %.80q: use 1 to %d lower-case letters, digits, `-` and `.`, a letter or digit at both ends", name, maxName)
	}
	return nil
}
