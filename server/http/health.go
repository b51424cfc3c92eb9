package http

import (
	"net/http"
	"strings"
)

// healthz says that the process answers.
func healthz(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") }

// readyz says whether the member can answer for the cluster: it knows a leader
// and has applied what it has to. A load balancer in front of the HTTP port asks
// this. It must never be what restarts a member: a member without a leader is
// of most use where it is.
func (c Config) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := c.Ready(); why != "" {
		say(w, http.StatusServiceUnavailable, why)
		return
	}
	say(w, http.StatusOK, "ok")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the caller is gone
}

// index says what there is.
func index(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, `Roster. Calls are POST /roster.v1.SERVICE/METHOD with a JSON body.
/openapi.json       every call
/metrics            for Prometheus
/alerts.rules.yaml  rules for Prometheus
/readyz             whether this member can answer for the cluster
/healthz            whether it answers at all`)
}

// callPrefix begins the path of every call.
const callPrefix = "/roster.v1."

// orNoPage tells whoever looks for a page that there is none, certificate or not:
// what there is, is no secret. Calls go on.
func orNoPage(calls http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost || strings.HasPrefix(r.URL.Path, callPrefix) {
			calls.ServeHTTP(w, r)
			return
		}
		refuse(w, http.StatusNotFound, "not_found", "NO_SUCH_PAGE", "there is no page "+r.URL.Path+": / lists those that there are, and calls are POST "+callPrefix+"SERVICE/METHOD, see /openapi.json")
	})
}
