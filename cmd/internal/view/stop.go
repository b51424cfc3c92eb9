package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"roster/cmd/internal/word"
	v1 "roster/proto/roster/v1"
)

// StopCheck is whether what was asked about may be stopped, why, and what would
// be left.
func StopCheck(w io.Writer, look Look, asked []string, response *v1.CheckStopResponse) error {
	var out strings.Builder
	what := word.List(asked)
	if response.GetOk() {
		fmt.Fprintf(&out, "%s %s may be stopped now.\n", look.Paint.Bold(look.Paint.Good("Yes:")), what)
	} else {
		fmt.Fprintf(&out, "%s %s must not be stopped now.\n", look.Paint.Bold(look.Paint.Bad("No:")), what)
	}
	look.sentences(&out, "", response.GetReasons())
	if members := response.GetMembers(); len(members) > 0 {
		look.sentences(&out, "", []string{"Members that would stop too: " + word.List(members) + "."})
	}
	t := look.table("SERVICE", ">READY NODES LEFT")
	for _, service := range slices.Sorted(maps.Keys(response.GetReady())) {
		t.Row(service, fmt.Sprint(response.GetReady()[service]))
	}
	section(&out, t)
	return write(w, &out)
}
