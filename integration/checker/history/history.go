// Package history owns the raw log of the checker: what a line of it says, how
// it is appended and how it is read back. It must not know how endpoints are
// dialled or how a log is judged, and it imports no package of Roster.
//
// A log is a file of JSON lines, one Record each, only ever appended to. Times
// are seconds since the watch began, from a monotonic clock, so that a jump of
// the wall clock moves nothing.
//
// A Writer may be used by many goroutines at once; Read needs no lock.
package history

// Kind says what a line is about.
type Kind string

const (
	// KindStart is the first line: targets, interval, heartbeat.
	KindStart Kind = "start"
	// KindChange is a target that answered otherwise than before; the first
	// dial of each target is a change too.
	KindChange Kind = "change"
	// KindMark is something that the test said: see the Mark constants.
	KindMark Kind = "mark"
	// KindLooked is the proof, once a second, that every target was dialled.
	KindLooked Kind = "looked"
	// KindNote is a remark for people; the judge skips it.
	KindNote Kind = "note"
	// KindEnd is the last line of a log that was closed in order.
	KindEnd Kind = "end"
)

// Mark names what a test told the watch.
type Mark string

const (
	// MarkFloors sets the floors in force from here on; a service that is not
	// named has none.
	MarkFloors Mark = "floors"
	// MarkAccepted says that the operator accepts that commands leave fewer than the
	// floor: Counts, by service, or service@part, is the fewest. It holds until the
	// next floors.
	MarkAccepted Mark = "accepted"
	// MarkFault says that these nodes are about to be broken.
	MarkFault Mark = "fault"
	// MarkHealed says that these nodes were mended.
	MarkHealed Mark = "healed"
	// MarkApplied says that a topology was applied; for people.
	MarkApplied Mark = "applied"
	// MarkExpect says how many nodes answer for each service, exactly; one that
	// is not named has none.
	MarkExpect Mark = "expect"
	// MarkRepair says whether the cluster is to repair by itself from here on:
	// it has a leader, repair is automatic, nothing is frozen or held. Text: on
	// or off. Nodes: those that it may not use.
	MarkRepair Mark = "repair"
	// MarkStarted says that the cluster has a start of Service in flight, or that
	// one failed with a stated reason. Nodes: where, if that is known.
	MarkStarted Mark = "started"
)

// Target is one address to dial.
type Target struct {
	Node    string `json:"node"`
	Service string `json:"service"`
	// host:port.
	Address string `json:"address"`
	// imap, smtp, jmap, webdav or tcp.
	Protocol string `json:"protocol"`
	// Path to ask for, for jmap and webdav; empty: the protocol's usual one.
	Path string `json:"path,omitempty"`
}

// Part is a floor over some of the nodes.
type Part struct {
	Service string `json:"service"`
	// Name of the part, for people.
	Name string `json:"name"`
	// Those that count for it.
	Nodes []string `json:"nodes"`
	Floor int      `json:"floor"`
}

// Record is one line of the log.
type Record struct {
	// Seconds since the watch began; of a dial, when it ended.
	T    float64 `json:"t"`
	Kind Kind    `json:"kind"`

	// Start.
	Wall      string   `json:"wall,omitempty"`
	Interval  float64  `json:"interval,omitempty"`
	Heartbeat float64  `json:"heartbeat,omitempty"`
	Targets   []Target `json:"targets,omitempty"`

	// Change.
	Node    string `json:"node,omitempty"`
	Service string `json:"service,omitempty"`
	Address string `json:"address,omitempty"`
	Answers bool   `json:"answers,omitempty"`
	// When this dial began.
	Began float64 `json:"began,omitempty"`
	// When the last dial with the other answer began; 0 for a first dial.
	Before float64 `json:"before,omitempty"`
	// True for the first dial of a target.
	First bool   `json:"first,omitempty"`
	Error string `json:"error,omitempty"`

	// Mark.
	Mark   Mark           `json:"mark,omitempty"`
	Counts map[string]int `json:"counts,omitempty"`
	Nodes  []string       `json:"nodes,omitempty"`
	// Floors over parts of the nodes; one that is not named is none.
	Parts []Part `json:"parts,omitempty"`
	Text  string `json:"text,omitempty"`

	// Looked: the longest time from one dial of a target to its next, which
	// target that was (Address), and how many dials ended.
	Longest float64 `json:"longest,omitempty"`
	Dials   int     `json:"dials,omitempty"`
}
