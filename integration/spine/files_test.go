package spine

import (
	"encoding/json"
	"os"
	"testing"

	"roster/integration/cluster"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func decodeStatus(t *testing.T, text string) *cluster.Status {
	t.Helper()
	var status cluster.Status
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return &status
}
