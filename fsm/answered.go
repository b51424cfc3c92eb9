package fsm

import (
	"bytes"
	"time"

	storev1 "roster/proto/roster/store/v1"
)

// Answered is what became of a caller's request, nil where that is not known: it
// never came, or its result is no longer kept. It walks over the results, newest
// first, so it is for the rare question.
func (s *State) Answered(caller, requestID string) *storev1.Result {
	parsed, err := parseRequestID(requestID)
	if err != nil {
		return nil
	}
	id := formatRequestID(parsed)
	for i := s.requests.len() - 1; i >= 0; i-- {
		if r := s.requests.at(i); r.GetRequestId() == id && r.GetCaller() == caller {
			return r.GetResult()
		}
	}
	return nil
}

// Unacceptable is why a command would be refused for its request id alone; nil:
// it would not. For what is done before the command is proposed, and could not be
// taken back: the answer holds for this state, Apply has the last word.
func (s *State) Unacceptable(caller, requestID string, command *storev1.Command, now time.Time) *storev1.Refusal {
	id, err := parseRequestID(requestID)
	if err != nil {
		return refused(codeInvalidArgument, ReasonRequestIDInvalid, "%s", err.Error()).GetRefusal()
	}
	written := formatRequestID(id)
	for i := s.requests.len() - 1; i >= 0; i-- {
		if r := s.requests.at(i); r.GetRequestId() == written && r.GetCaller() == caller {
			if bytes.Equal(r.GetDigest(), digestCommand(command)) {
				return nil
			}
			return reusedID(requestID).GetRefusal()
		}
	}
	newest, _ := must(s.db.Txn(false).First(tableEvicted, byID, caller)).(*evictedID)
	if newest != nil && written <= newest.id {
		return tooOldID(requestID).GetRefusal()
	}
	if requestTime(id).Sub(now) > aheadOfTime {
		return aheadID(requestID, now).GetRefusal()
	}
	return nil
}
