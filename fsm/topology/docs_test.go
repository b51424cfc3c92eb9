package topology

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTheReferenceNamesEveryKeyAndEveryKnownService(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	words := KnownServices()
	for _, m := range messages {
		words = append(words, keyNames(m.d)...)
	}
	for _, word := range append(words, nodeKeys...) {
		if !strings.Contains(string(text), "`"+word+"`") && !strings.Contains(string(text), word+":") {
			t.Errorf("the reference does not name %s", word)
		}
	}
}

func TestTheFilesInTheReferenceAreReadAsItSays(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	topologies, lists := 0, 0
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(string(text), -1) {
		file := []byte(regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, ""))
		switch {
		case strings.HasPrefix(string(file), "name: "):
			topologies++
			if _, err := Parse("block.yaml", file); err != nil {
				t.Error(err)
			}
		case strings.HasPrefix(string(file), "- "):
			lists++
			if _, err := ParseNodes("block.yaml", file); err != nil {
				t.Error(err)
			}
		}
	}
	if topologies == 0 || lists == 0 {
		t.Errorf("the reference shows %d topologies and %d lists of nodes", topologies, lists)
	}
}

// TestTheReferenceStatesTheBoundsThatAreKept holds the numbers in the text to
// those in the code, by the durations and counts that appear in both.
func TestTheReferenceStatesTheBoundsThatAreKept(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	span := func(least, most int64) string {
		return formatDuration(fromMillis(least)) + " to " + formatDuration(fromMillis(most))
	}
	for _, c := range []struct{ key, bound string }{
		{"drain", span(minDrain, maxDrain)},
		{"down_after", span(minDownAfter, maxDownAfter)},
		{"replace_after", span(minDownAfter, maxReplaceAfter)},
		{"return_after", span(minReturnAfter, maxReturnAfter)},
		{"hold_max", span(minHoldMax, maxHoldMax)},
		{"bake", span(minBake, maxBake)},
	} {
		if !strings.Contains(string(text), "| `"+c.key+"` | "+c.bound+" |") {
			t.Errorf("the reference does not say that %s takes %s", c.key, c.bound)
		}
	}
	for _, s := range knownServices {
		if d := formatDuration(seconds(s.drain)); s.drain != otherDrain && !strings.Contains(string(text), "`"+s.name+"` "+d) {
			t.Errorf("the reference does not say that %s drains for %s", s.name, d)
		}
	}
}
