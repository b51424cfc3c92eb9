package status

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// clock is a moment in UTC: of the same day without its date.
func clock(now time.Time, at *timestamppb.Timestamp) string {
	t := at.AsTime().UTC()
	if sameDay(t, now.UTC()) {
		return t.Format(time.TimeOnly) + " UTC"
	}
	return t.Format(time.DateTime) + " UTC"
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// ahead is a moment to come, and how far away it is: `10:02:03 UTC, in 4m12s`.
func ahead(now time.Time, at *timestamppb.Timestamp) string {
	return clock(now, at) + ", in " + span(at.AsTime().Sub(now))
}

// span is a duration to the second, without what is nought: `1h30m`.
func span(d time.Duration) string {
	text := max(d, time.Second).Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
