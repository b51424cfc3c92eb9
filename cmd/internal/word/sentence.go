package word

import (
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	moments = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
	callers = regexp.MustCompile(`\broster://[A-Za-z0-9.-]+/(?:user|member|agent)/[A-Za-z0-9._@-]*[A-Za-z0-9_]`)
)

// Sentence is a member's sentence for people: moments in it are in the reader's own
// time zone and callers have their names, as in tables.
func Sentence(text string) string {
	text = moments.ReplaceAllStringFunc(text, func(at string) string {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return at
		}
		return Time(timestamppb.New(t))
	})
	return callers.ReplaceAllStringFunc(text, Who)
}
