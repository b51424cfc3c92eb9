package jsonform

import (
	"testing"

	v1 "roster/proto/roster/v1"
)

func TestADocumentHasTheFieldsOfAllItsMessagesOnce(t *testing.T) {
	one, two := &v1.PauseRolloutRequest{RequestId: "1", Reason: "why"}, &v1.ApprovePlanRequest{RequestId: "2", Id: "x"}
	got, err := MarshalDocument(one, two)
	if want := "{\n  \"request_id\": \"1\",\n  \"reason\": \"why\",\n  \"id\": \"x\"\n}"; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	got, err = MarshalDocumentYAML(one, two)
	if want := "request_id: \"1\"\nreason: why\nid: x\n"; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := MarshalDocument((*v1.Plan)(nil), &v1.PauseRolloutResponse{Index: 3}); err != nil || string(got) != "{\n  \"index\": 3\n}" {
		t.Errorf("%s, %v", got, err)
	}
}
