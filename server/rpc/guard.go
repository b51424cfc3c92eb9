package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"

	"roster/fsm"
	"roster/server/rpc/auth"
	"roster/server/rpc/problem"
)

// Guard implements GuardService.
type Guard struct {
	v1.UnimplementedGuardServiceServer
	Gate    *Gate
	Machine *fsm.Machine
}

const (
	longestFreeze   = 30 * 24 * time.Hour
	longestOverride = 24 * time.Hour
)

// everything is the scope that a freeze has where none is named.
const everything = "all"

// scopeKinds are what may stand before the colon of a scope.
var scopeKinds = []string{"node", "pool", "service", "region", "zone"}

// scopeOf reads a scope as it may be written. Whether it names something that
// there is, the state machine knows.
func scopeOf(written string) (string, error) {
	if written == "" || written == everything {
		return everything, nil
	}
	kind, name, ok := strings.Cut(written, ":")
	if !ok || name == "" || !slices.Contains(scopeKinds, kind) {
		return "", problem.New(codes.InvalidArgument, problem.InvalidArgument,
			"scope %q is none: write `all`, `node:ID`, `pool:NAME`, `service:NAME`, `region:NAME` or `zone:NAME`", written)
	}
	return written, nil
}

// requireReason refuses what whoever reads status could not make sense of.
func requireReason(reason, example string) error {
	if strings.TrimSpace(reason) == "" {
		return problem.New(codes.InvalidArgument, problem.InvalidArgument, "reason is missing: say why, for whoever reads status, as `--reason %q`", example)
	}
	return nil
}

// freezeID names a freeze. It follows from the request: sent again, to any
// member, it makes the same freeze.
func freezeID(caller, requestID string) string {
	sum := sha256.Sum256([]byte(caller + "\n" + strings.ToLower(requestID)))
	return "f-" + hex.EncodeToString(sum[:4])
}

// CreateFreeze implements GuardService.
func (g *Guard) CreateFreeze(ctx context.Context, r *v1.CreateFreezeRequest) (*v1.CreateFreezeResponse, error) {
	scope, err := scopeOf(r.GetScope())
	if err != nil {
		return nil, err
	}
	if r.GetFor() == nil {
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "for is missing: say how long, from 1 second to %s, as `--for 2h`", plain(longestFreeze))
	}
	if _, err := duration("for", r.GetFor(), time.Second, longestFreeze); err != nil {
		return nil, err
	}
	if err := requireReason(r.GetReason(), "storage is moved"); err != nil {
		return nil, err
	}
	id := freezeID(auth.Caller(ctx).URI(), r.GetRequestId())
	result, err := g.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_CreateFreeze{CreateFreeze: &storev1.CreateFreeze{
		Freeze: &v1.Freeze{Id: id, Scope: scope, Reason: r.GetReason()}, Within: r.GetFor(),
	}}})
	if err != nil {
		return nil, err
	}
	answer := &v1.CreateFreezeResponse{Index: result.GetIndex()}
	// As it was recorded: since and until when, by the leader's time.
	if err := g.Gate.Fresh(ctx); err == nil {
		answer.Freeze = frozenAs(g.Machine.State(), id)
	}
	if answer.Freeze == nil {
		// It was made, and has ended since, or this member lags.
		answer.Freeze = &v1.Freeze{Id: id, Scope: scope, Reason: r.GetReason(), By: auth.Caller(ctx).URI()}
	}
	return answer, nil
}

func frozenAs(state *fsm.State, id string) *v1.Freeze {
	for _, f := range state.Freezes() {
		if f.GetId() == id {
			return f
		}
	}
	return nil
}

// DeleteFreeze implements GuardService.
func (g *Guard) DeleteFreeze(ctx context.Context, r *v1.DeleteFreezeRequest) (*v1.DeleteFreezeResponse, error) {
	command := &storev1.DeleteFreezes{Id: r.GetId()}
	switch {
	case r.GetId() != "" && r.GetScope() != "":
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "id and scope are both given: name one of them")
	case r.GetId() == "" && r.GetScope() == "":
		return nil, problem.New(codes.InvalidArgument, problem.InvalidArgument, "name the freeze to end by its id, or by its scope, as `all` or `node:ID`: `roster status` shows both")
	case r.GetScope() != "":
		scope, err := scopeOf(r.GetScope())
		if err != nil {
			return nil, err
		}
		command.Scope = scope
	}
	result, err := g.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_DeleteFreezes{DeleteFreezes: command}})
	if err != nil {
		return nil, err
	}
	return &v1.DeleteFreezeResponse{Index: result.GetIndex(), Ended: result.GetEnded()}, nil
}

// GetGuard implements GuardService.
func (g *Guard) GetGuard(ctx context.Context, r *v1.GetGuardRequest) (*v1.GetGuardResponse, error) {
	state, err := read(ctx, g.Gate, g.Machine, r.GetStale())
	if err != nil {
		return nil, err
	}
	now := timeOf(state)
	answer := &v1.GetGuardResponse{Hold: state.Hold(), Index: state.Index()}
	for _, f := range state.Freezes() {
		if f.GetExpires().AsTime().After(now) {
			answer.Freezes = append(answer.Freezes, f)
		}
	}
	if o := state.HoldOverride(); o.GetExpires().AsTime().After(now) {
		answer.Override = o
	}
	return answer, nil
}

// OverrideHold implements GuardService.
func (g *Guard) OverrideHold(ctx context.Context, r *v1.OverrideHoldRequest) (*v1.OverrideHoldResponse, error) {
	if _, err := duration("for", r.GetFor(), time.Second, longestOverride); err != nil {
		return nil, err
	}
	if err := requireReason(r.GetReason(), "the switch to rack 4 is dead"); err != nil {
		return nil, err
	}
	result, err := g.Gate.write(ctx, r.GetRequestId(), &storev1.Command{Command: &storev1.Command_OverrideHold{OverrideHold: &storev1.OverrideHold{
		Within: r.GetFor(), Reason: r.GetReason(),
	}}})
	if err != nil {
		return nil, err
	}
	return &v1.OverrideHoldResponse{Index: result.GetIndex()}, nil
}
