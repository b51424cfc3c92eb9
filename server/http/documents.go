package http

import (
	_ "embed"
	"net/http"
)

//go:embed gateway/roster.swagger.json
var openAPIDocument []byte

// openAPI is the description of the JSON API. It tells nothing of the cluster.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPIDocument) // the caller is gone
}

// alertRules are rules for Prometheus, in the words of status.
//
//go:embed alerts.rules.yaml
var alertRules []byte

func alerts(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(alertRules) // the caller is gone
}
