package http

import "net/http"

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
