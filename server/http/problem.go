package http

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// problemBody is what a failed call answers.
type problemBody struct {
	// gRPC's code as a lower-case word, as `not_found`.
	Code string `json:"code"`
	// A word for programs, as on the gRPC port; docs/api.md lists them.
	Reason string `json:"reason"`
	// A sentence that names the place and the mend.
	Message string `json:"message"`
}

// refuse answers a request that never reached the API.
func refuse(w http.ResponseWriter, status int, code, reason, message string) {
	write(w, status, problemBody{code, reason, message})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(body) // the caller is gone
}

// failed answers with what the gRPC server said.
func failed(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	s := status.Convert(err)
	write(w, runtime.HTTPStatusFromCode(s.Code()), bodyOf(s))
}

func bodyOf(s *status.Status) problemBody {
	body := problemBody{Code: word(s.Code().String()), Message: s.Message()}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			body.Reason = info.GetReason()
		}
	}
	if body.Reason == "" {
		body.Reason = strings.ToUpper(body.Code)
	}
	return body
}

// word is a code as the JSON form writes enums: not_found, for NotFound.
func word(code string) string {
	var b strings.Builder
	for i, r := range code {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// streamFailed keeps the code and the sentence for the last line of a stream.
func streamFailed(_ context.Context, err error) *status.Status { return status.Convert(err) }

// unrouted answers what no call is meant by.
func unrouted(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	if code == http.StatusNotFound {
		refuse(w, code, "not_found", "NO_SUCH_CALL", "there is no call "+r.URL.Path+": see /openapi.json")
		return
	}
	refuse(w, code, "invalid_argument", "INVALID", http.StatusText(code))
}
