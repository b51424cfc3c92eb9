package rpc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "roster/proto/roster/store/v1"
	v1 "roster/proto/roster/v1"
)

func (l *live) freeze(scope string, lasts time.Duration) *v1.Freeze {
	l.t.Helper()
	answer, err := l.guard().CreateFreeze(l.t.Context(), &v1.CreateFreezeRequest{
		RequestId: l.RequestID(), Scope: scope, For: durationpb.New(lasts), Reason: "storage is moved",
	})
	l.must(err)
	return answer.GetFreeze()
}

func (l *live) frozen() []string {
	l.t.Helper()
	answer, err := l.guard().GetGuard(l.t.Context(), &v1.GetGuardRequest{})
	l.must(err)
	var scopes []string
	for _, f := range answer.GetFreezes() {
		scopes = append(scopes, f.GetScope())
	}
	return scopes
}

func TestAFreezeIsMadeOnceUnderItsRequestAndEndsByTheLeadersTime(t *testing.T) {
	l := serve(t)
	l.log.Ahead(time.Hour)
	request := &v1.CreateFreezeRequest{RequestId: l.RequestID(), For: durationpb.New(2 * time.Hour), Reason: "storage is moved"}
	first, err := l.guard().CreateFreeze(t.Context(), request)
	l.must(err)
	f := first.GetFreeze()
	if f.GetScope() != "all" || f.GetId() == "" || f.GetBy() == "" || f.GetExpires().AsTime().Sub(f.GetSince().AsTime()) != 2*time.Hour {
		t.Errorf("the freeze: %v", f)
	}
	request.RequestId = strings.ToUpper(request.GetRequestId()) // the same id
	again, err := l.guard().CreateFreeze(t.Context(), request)
	if err != nil || !proto.Equal(first, again) || fmt.Sprint(l.frozen()) != "[all]" {
		t.Errorf("sent again: %v, %v", again, err)
	}
	l.log.Ahead(4 * time.Hour)
	l.log.Register("n-1", "imap") // something that the leader's later time is seen from
	if got := l.frozen(); len(got) != 0 {
		t.Errorf("after its time: %v", got)
	}
}

func TestFreezesEndByTheirIDOrAllOfAScope(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	one := l.freeze("", time.Hour)
	l.freeze("all", time.Hour)
	l.freeze("all", 2*time.Hour)
	l.freeze("node:n-1", time.Hour)
	end := func(id, scope string) (uint32, error) {
		answer, err := l.guard().DeleteFreeze(t.Context(), &v1.DeleteFreezeRequest{RequestId: l.RequestID(), Id: id, Scope: scope})
		return answer.GetEnded(), err
	}
	if n, err := end(one.GetId(), ""); n != 1 || err != nil {
		t.Errorf("by id: %d ended, %v", n, err)
	}
	if n, err := end("", "all"); n != 2 || err != nil || fmt.Sprint(l.frozen()) != "[node:n-1]" {
		t.Errorf("by scope: %d ended, %v; left %v", n, err, l.frozen())
	}
	l.stays(func() {
		_, err := end("", "all")
		l.refuse(err, want{codes.NotFound, "NO_SUCH_FREEZE", "roster status"})
		_, err = end("f-1", "")
		l.refuse(err, want{codes.NotFound, "NO_SUCH_FREEZE", "roster status"})
		_, err = end("", "")
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "by its scope"})
		_, err = end("f-1", "all")
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "one of them"})
		_, err = end("", "rack:7")
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "`zone:NAME`"})
	})
}

func TestAFreezeThatWouldFreezeNothingOrForEverIsRefused(t *testing.T) {
	l := serve(t)
	l.log.Register("n-1", "imap")
	call := func(change func(*v1.CreateFreezeRequest)) error {
		r := &v1.CreateFreezeRequest{RequestId: l.RequestID(), For: durationpb.New(time.Hour), Reason: "storage is moved"}
		change(r)
		_, err := l.guard().CreateFreeze(t.Context(), r)
		return err
	}
	l.stays(func() {
		for _, scope := range []string{"rack:7", "node", "node:", ":n-1", "everything", "ALL"} {
			l.refuse(call(func(r *v1.CreateFreezeRequest) { r.Scope = scope }), want{codes.InvalidArgument, "INVALID", "`node:ID`"})
		}
		for _, scope := range []string{"node:n-9", "pool:imap", "service:jmap", "region:b", "zone:b1"} {
			l.refuse(call(func(r *v1.CreateFreezeRequest) { r.Scope = scope }), want{codes.InvalidArgument, "INVALID", "`roster "})
		}
		for _, d := range []time.Duration{0, -time.Second, time.Millisecond, 31 * 24 * time.Hour} {
			l.refuse(call(func(r *v1.CreateFreezeRequest) { r.For = durationpb.New(d) }), want{codes.InvalidArgument, "INVALID", "from 1 second to 30 days"})
		}
		l.refuse(call(func(r *v1.CreateFreezeRequest) { r.For = nil }), want{codes.InvalidArgument, "INVALID", "--for 2h"})
		l.refuse(call(func(r *v1.CreateFreezeRequest) { r.Reason = " " }), want{codes.InvalidArgument, "INVALID", "--reason"})
		l.refuse(call(func(r *v1.CreateFreezeRequest) { r.RequestId = "" }), want{codes.InvalidArgument, "INVALID", "request_id"})
	})
}

func TestAHoldEndsByTheOperatorsWordAndNoneBeginsForAWhile(t *testing.T) {
	l := serve(t)
	l.log.Must(&storev1.Command{Command: &storev1.Command_SetNodeStates{SetNodeStates: &storev1.SetNodeStates{
		Hold: &storev1.HoldChange{Hold: &v1.Hold{Reason: "4 of 10 nodes are silent", SilentCount: 4, Registered: 10}},
	}}})
	get := func() *v1.GetGuardResponse {
		answer, err := l.guard().GetGuard(t.Context(), &v1.GetGuardRequest{})
		l.must(err)
		return answer
	}
	if g := get(); g.GetHold().GetSilentCount() != 4 || g.GetOverride() != nil {
		t.Errorf("while it holds: %v", g)
	}
	l.stays(func() {
		_, err := l.guard().OverrideHold(t.Context(), &v1.OverrideHoldRequest{RequestId: l.RequestID()})
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "--reason"})
		_, err = l.guard().OverrideHold(t.Context(), &v1.OverrideHoldRequest{RequestId: l.RequestID(), Reason: "fire", For: durationpb.New(25 * time.Hour)})
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "from 1 second to 1 day"})
		_, err = l.guard().OverrideHold(t.Context(), &v1.OverrideHoldRequest{Reason: "fire"})
		l.refuse(err, want{codes.InvalidArgument, "INVALID", "request_id"})
	})
	_, err := l.guard().OverrideHold(t.Context(), &v1.OverrideHoldRequest{RequestId: l.RequestID(), Reason: "the rack burned"})
	l.must(err)
	g := get()
	left := time.Until(g.GetOverride().GetExpires().AsTime())
	if g.GetHold() != nil || g.GetOverride().GetReason() != "the rack burned" || left < 58*time.Minute || left > time.Hour {
		t.Errorf("after the operator's word: %v", g)
	}
}
