package fsm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// requestKey is a request id of a caller.
type requestKey struct {
	caller string
	id     [16]byte
}

func keyOf(r *storev1.RequestRecord) requestKey {
	id, _ := parseRequestID(r.GetRequestId())
	return requestKey{r.GetCaller(), id}
}

// aheadOfTime is how far a request id's time may lie ahead of the cluster's. One
// from the far future would, once evicted, make every later id of its caller
// too old.
const aheadOfTime = 24 * time.Hour

// parseRequestID reads a UUIDv7 (RFC 9562) in its usual form.
func parseRequestID(s string) (id [16]byte, err error) {
	plain := strings.ReplaceAll(s, "-", "")
	if len(s) != 36 || len(plain) != 32 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("request id %.40q is not a UUID", s)
	}
	if _, err := hex.Decode(id[:], []byte(plain)); err != nil {
		return id, fmt.Errorf("request id %.40q is not a UUID", s)
	}
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		return id, fmt.Errorf("request id %q is not a UUIDv7; let the client make it", s)
	}
	return id, nil
}

// formatRequestID writes it in lower case.
func formatRequestID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// requestTime is the millisecond that a UUIDv7 begins with.
func requestTime(id [16]byte) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}

// lookup finds what became of a request before. A result means that the command
// is not to be done; a key of zero that its result is not to be kept.
func (d *draft) lookup(env *storev1.Envelope) (requestKey, []byte, *storev1.Result) {
	if env.GetRequestId() == "" || d.cluster == nil {
		return requestKey{}, nil, nil
	}
	id, err := parseRequestID(env.GetRequestId())
	if err != nil {
		return requestKey{}, nil, refused(codeInvalidArgument, ReasonRequestIDInvalid, "%s", err.Error())
	}
	key := requestKey{env.GetCaller(), id}
	digest := digestCommand(env.GetCommand())
	record := d.recorded[key]
	if record == nil {
		record = d.seen[key]
	}
	if record != nil {
		if !bytes.Equal(record.GetDigest(), digest) {
			return key, nil, reusedID(env.GetRequestId())
		}
		again := proto.CloneOf(record.GetResult())
		again.Repeated = true
		return key, nil, again
	}
	if evicted := d.evicted.get(key.caller); evicted != nil && formatRequestID(id) <= evicted.id {
		return key, nil, tooOldID(env.GetRequestId())
	}
	if requestTime(id).Sub(env.GetTime().AsTime()) > aheadOfTime {
		return key, nil, aheadID(env.GetRequestId(), env.GetTime().AsTime())
	}
	return key, digest, nil
}

func reusedID(id string) *storev1.Result {
	return refused(codeAlreadyExists, ReasonRequestIDReused,
		"request id %s was used before for something else; make a new id for each request", id)
}

func tooOldID(id string) *storev1.Result {
	return refused(codeOutOfRange, ReasonRequestIDTooOld,
		"request id %s is older than the results that are kept, so it may have been done: look at the state, then ask with a new id", id)
}

func aheadID(id string, now time.Time) *storev1.Result {
	return refused(codeInvalidArgument, ReasonRequestIDAhead,
		"request id %s lies more than a day ahead of the cluster's time %s; set the clock of the host that made it", id, now.Format(time.RFC3339))
}

func (d *draft) record(key requestKey, digest []byte, result *storev1.Result) {
	record := &storev1.RequestRecord{Caller: key.caller, RequestId: formatRequestID(key.id), Digest: digest, Result: result}
	d.recorded[key] = record
	d.requests.push(record)
}

// trimRequests forgets the oldest results, but not that they were there.
func (d *draft) trimRequests() {
	for d.requests.len() > d.limits.requests {
		oldest := d.requests.at(0)
		d.requests.pop()
		d.forgotten = append(d.forgotten, oldest)
		if e := d.evicted.get(oldest.GetCaller()); e == nil || oldest.GetRequestId() > e.id {
			d.evicted.put(oldest.GetCaller(), &evictedID{oldest.GetCaller(), oldest.GetRequestId()})
		}
	}
}
