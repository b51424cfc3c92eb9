package word

import (
	"testing"
	"time"
)

func TestASentenceHasMomentsAndNamesAsTablesHaveThem(t *testing.T) {
	at := func(text string) string {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when.Local().Format(time.DateTime)
	}
	for text, want := range map[string]string{
		"": "",
		"the rollout is paused by roster://dev/user/local since 2026-11-24T14:47:37Z: lunch": "the rollout is paused by local since " + at("2026-11-24T14:47:37Z") + ": lunch",
		"all is frozen until 2026-11-24T14:47:37Z by roster://mail/user/ann.b.":              "all is frozen until " + at("2026-11-24T14:47:37Z") + " by ann.b.",
		"roster://mail/agent/n-1, roster://mail/member/m-2 and ann":                          "n-1, m-2 and ann",
		"2026-13-45T14:47:37Z is no moment, and roster://mail is nobody":                     "2026-13-45T14:47:37Z is no moment, and roster://mail is nobody",
		"since 14:47:37 UTC": "since 14:47:37 UTC",
	} {
		if got := Sentence(text); got != want {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
	}
}
