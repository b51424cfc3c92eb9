package http

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "roster/proto/roster/v1"
)

func (a *api) Survive(_ context.Context, r *v1.SurviveRequest) (*v1.SurviveResponse, error) {
	if r.GetWithoutPairs() {
		return nil, status.Error(codes.ResourceExhausted, "this member works out 8 such questions already")
	}
	loss := &v1.Loss{Kind: v1.LossKind_LOSS_KIND_NODE, Lost: []string{"node-3"}, Alike: 2, Quorum: true, Services: []*v1.ServiceLoss{{Service: "imap", Ready: 1, Recovered: 2, Floor: 2, Before: 2}}}
	return &v1.SurviveResponse{Losses: []*v1.Loss{loss}}, nil
}

func (a *api) Simulate(_ context.Context, r *v1.SimulateRequest) (*v1.SimulateResponse, error) {
	if len(r.GetFail()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "fail is empty: name what fails, as `node-3`")
	}
	return &v1.SimulateResponse{Stages: []*v1.Stage{{Title: "after down_after", After: durationpb.New(10 * time.Second), Waves: []*v1.Wave{{
		Moves: []*v1.Move{{Service: "imap", Node: "node-4", Action: v1.Action_ACTION_START, Cause: v1.Cause_CAUSE_REPAIR, Borrowed: true, Deadline: durationpb.New(time.Minute)}},
	}}}}}, nil
}

func (a *api) GetRollout(context.Context, *v1.GetRolloutRequest) (*v1.GetRolloutResponse, error) {
	return &v1.GetRolloutResponse{Index: 9, Rollout: &v1.Rollout{
		State: v1.RolloutState_ROLLOUT_STATE_PAUSED, Revision: 7, Order: 1 << 60, FromRevision: 6, Starts: 3,
		Pause: &v1.Pause{By: "roster://example/user/ann", Time: timestamppb.New(time.Unix(0, 0)), Reason: "looking"},
	}}, nil
}

func (a *api) AbortRollout(context.Context, *v1.AbortRolloutRequest) (*v1.AbortRolloutResponse, error) {
	return nil, status.Error(codes.FailedPrecondition, "no rollout is in progress")
}

// What scripts rely on: names, words and shapes.
func TestRolloutsAndWhatIfHaveTheJSONOfTheCLI(t *testing.T) {
	p := open(t)
	for _, c := range []struct {
		call, body, at, want string
	}{
		{"RolloutService/GetRollout", `{}`, "rollout.state", `"paused"`},
		{"RolloutService/GetRollout", `{}`, "rollout.order", `1152921504606846976`},
		{"RolloutService/GetRollout", `{}`, "rollout.pause", `{"by":"roster://example/user/ann","time":"1970-01-01T00:00:00Z","reason":"looking"}`},
		{"RolloutService/GetRollout", `{}`, "rollout.canary", `null`},
		{"RolloutService/GetRollout", `{"stale": true}`, "rollout.waiting", `[]`},
		{"WhatIfService/Survive", `{}`, "losses.0.kind", `"node"`},
		{"WhatIfService/Survive", `{}`, "losses.0.services.0", `{"service":"imap","ready":1,"recovered":2,"floor":2,"part":"","before":2}`},
		{"WhatIfService/Survive", `{"source": "bmFtZTogeAo=", "file_name": "x.yaml"}`, "fatal_at_once", `[]`},
		{"WhatIfService/Simulate", `{"fail": ["zone:a1"]}`, "stages.0.after", `"10s"`},
		{"WhatIfService/Simulate", `{"fail": ["zone:a1"]}`, "stages.0.waves.0.moves.0.action", `"start"`},
		{"WhatIfService/Simulate", `{"fail": ["zone:a1"]}`, "stages.0.waves.0.moves.0.cause", `"repair"`},
	} {
		code, body := p.call(t, "POST", "/roster.v1."+c.call, asJSON, c.body)
		if got := at(t, body, c.at); code != 200 || got != c.want {
			t.Errorf("%s %s: %d, %s is %s, want %s", c.call, c.body, code, c.at, got, c.want)
		}
	}
}

// at is one value of a JSON document, compact.
func at(t *testing.T, body, path string) string {
	t.Helper()
	now := json.RawMessage(body)
	for _, step := range strings.Split(path, ".") {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		switch {
		case json.Unmarshal(now, &object) == nil:
			now = object[step]
		case json.Unmarshal(now, &list) == nil && step == "0" && len(list) > 0:
			now = list[0]
		default:
			return ""
		}
	}
	var compact strings.Builder
	for line := range strings.SplitSeq(string(now), "\n") {
		compact.WriteString(strings.Replace(strings.TrimSpace(line), `": `, `":`, 1))
	}
	return compact.String()
}

func TestWhatIsWrongWithAQuestionHasItsStatus(t *testing.T) {
	p := open(t)
	for name, c := range map[string]struct {
		call, body string
		code       int
		says       string
	}{
		"nothing fails":       {"WhatIfService/Simulate", `{}`, 400, "name what fails"},
		"a misspelt key":      {"WhatIfService/Simulate", `{"fails": ["node-3"]}`, 400, "fails"},
		"one, not a list":     {"WhatIfService/Simulate", `{"fail": "node-3"}`, 400, "node-3"},
		"too many questions":  {"WhatIfService/Survive", `{"without_pairs": true}`, 429, "already"},
		"nothing to abort":    {"RolloutService/AbortRollout", `{"request_id": "x"}`, 400, "no rollout"},
		"a rollout by number": {"RolloutService/GetRollout", `{"revision": 3}`, 400, "revision"},
		"not served here":     {"WhatIfService/Explain", `{"service": "imap", "node": "node-1"}`, 501, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := p.call(t, "POST", "/roster.v1."+c.call, asJSON, c.body)
			var problem problemBody
			if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Code == "" || problem.Message == "" {
				t.Errorf("%s: %v", body, err)
			}
			if code != c.code || !strings.Contains(problem.Message, c.says) {
				t.Errorf("%d %+v, want %d and %q", code, problem, c.code, c.says)
			}
		})
	}
}

func TestEveryPublicCallIsDescribed(t *testing.T) {
	var description struct{ Paths map[string]any }
	if err := json.Unmarshal(openAPIDocument, &description); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{
		"RolloutService/GetRollout", "RolloutService/PauseRollout", "RolloutService/ResumeRollout", "RolloutService/AbortRollout",
		"WhatIfService/Simulate", "WhatIfService/Survive", "WhatIfService/Explain",
	} {
		if description.Paths["/roster.v1."+call] == nil {
			t.Errorf("%s is not described", call)
		}
	}
}
