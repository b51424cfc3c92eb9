package topology

import (
	"errors"
	"strings"
	"testing"
)

func TestAnEmptyListOfNodesIsToldWhatItNeeds(t *testing.T) {
	for text, mend := range map[string]string{
		"": "at least one node", "# nothing\n": "at least one node", "\n\n": "at least one node", "---\n": "at least one node", "[]\n": "at least one",
		"- {id: node-1}\n---\n- {id: node-2}\n": "one list of nodes in one file",
	} {
		_, err := ParseNodes("nodes.yaml", []byte(text))
		var fault *Error
		if !errors.As(err, &fault) {
			t.Fatalf("%q: %v", text, err)
		}
		if !strings.Contains(fault.Mend, mend) || strings.Contains(fault.Mend, "pool") || strings.Contains(fault.Mend, "topology in one") {
			t.Errorf("%q: %v", text, fault)
		}
	}
}
