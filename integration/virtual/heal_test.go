package virtual

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	v1 "roster/proto/roster/v1"
)

// heal mends everything, and takes every order of the operator's back.
func (w *world) heal() {
	w.disturb("everything is mended")
	for _, m := range w.members {
		w.cutMember(m, false)
	}
	for _, h := range w.hosts {
		w.cutHost(h, false)
	}
	for _, m := range w.members {
		m.start()
	}
	for _, h := range w.hosts {
		w.mendServices(h)
		h.start()
	}
	must := func(what string, call func(context.Context) error) {
		if err := w.insist(2*time.Minute, call); err != nil {
			w.t.Fatalf("seed %d: everything is mended, and %s fails: %v\n%s", w.seed, what, err, w.tale())
		}
	}
	id := w.api.RequestID()
	must("ending freezes", func(ctx context.Context) error {
		for _, scope := range w.freezes(ctx) {
			if _, err := v1.NewGuardServiceClient(w.api).DeleteFreeze(ctx, &v1.DeleteFreezeRequest{RequestId: id, Id: scope}); err != nil && status.Code(err) != codes.NotFound {
				return err
			}
			id = w.api.RequestID()
		}
		return nil
	})
	for _, h := range w.hosts {
		one, two := w.api.RequestID(), w.api.RequestID()
		must("undrain", func(ctx context.Context) error {
			_, err := v1.NewNodeServiceClient(w.api).UndrainNode(ctx, &v1.UndrainNodeRequest{RequestId: one, Id: h.id})
			return missing(err)
		})
		must("uncordon", func(ctx context.Context) error {
			_, err := v1.NewNodeServiceClient(w.api).CordonNode(ctx, &v1.CordonNodeRequest{RequestId: two, Id: h.id})
			return missing(err)
		})
	}
	t := proto.CloneOf(w.topology)
	t.Policy.Repair = v1.Automation_AUTOMATION_AUTO
	if !w.apply(t) {
		w.t.Fatalf("seed %d: everything is mended, and no topology can be applied\n%s", w.seed, w.tale())
	}
}

// missing: a host that was cut off from the beginning is no node.
func missing(err error) error {
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

func (w *world) freezes(ctx context.Context) (ids []string) {
	got, err := v1.NewGuardServiceClient(w.api).GetGuard(ctx, &v1.GetGuardRequest{})
	if err != nil {
		return nil
	}
	for _, f := range got.GetFreezes() {
		ids = append(ids, f.GetId())
	}
	return ids
}
