package exit

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"roster/client"
)

// Sentence is what a person reads of an error: what a member said, word for
// word, without gRPC's wrapping. Empty: nothing is left to say.
func Sentence(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return "stopped"
	}
	text := wrapping.ReplaceAllString(client.Sentence(err), "")
	// What gRPC says of a deadline depends on which side noticed it first.
	if status.Code(err) == codes.DeadlineExceeded && (strings.Contains(text, "RST_STREAM") || strings.Contains(text, "context deadline exceeded")) {
		return "the deadline passed before a member answered"
	}
	return text
}

// wrapping is what gRPC puts before a message where an error was wrapped.
var wrapping = regexp.MustCompile(`rpc error: code = \w+ desc = `)
