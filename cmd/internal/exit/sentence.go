package exit

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Sentence is what a person reads of an error: what a member said, word for
// word, then what to do where that is known. Empty: nothing is left to say.
func Sentence(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return "stopped"
	}
	return err.Error()
}
