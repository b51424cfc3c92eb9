package fsm

import storev1 "roster/proto/roster/store/v1"

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
