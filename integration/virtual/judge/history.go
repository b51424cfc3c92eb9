// Package judge says whether a history keeps what Roster promises. It is pure: it
// knows what a host's services really did, which sets were committed, what agents
// held and how they acted, all with times, and nothing of how the cluster decided.
package judge

import "time"

// History is what happened, in any order.
type History struct {
	Heartbeat, DownAfter time.Duration
	Facts                []Fact
}

// Kind is what a fact tells. Facts of one moment count in this order, which is in
// favour of the accused: what begins to answer does so before the commands of that
// moment, what they stop does so after them.
type Kind int

const (
	// Sent means that a topology with these Floors was sent; it may be in force from now on.
	Sent Kind = iota
	// Acked means that this topology is in force.
	Acked
	// Disturbed tells What happened that the cluster has to find out about first.
	Disturbed
	// Answers means that a service begins to answer on a node.
	Answers
	// Fails means that it stops answering, and no command is to blame.
	Fails
	// Set means that a node's set of this Version was committed, with what it Wants.
	Set
	// Acts means that an agent does Verb to a service.
	Acts
	// Held means that an agent holds the set of this Version.
	Held
	// Stops means that a service stops answering since its agent drained or stopped it.
	Stops
	// Looked brings an onlooker's Look.
	Looked
)

// String is the kind in a word.
func (k Kind) String() string {
	return [...]string{"sent", "acked", "disturbed", "answers", "fails", "set", "acts", "held", "stops", "looked"}[k]
}

// Fact is one thing that happened.
type Fact struct {
	At            time.Time
	Kind          Kind
	Node, Service string
	Version       Version
	Wants         map[string]Want
	Verb          Verb
	Floors        map[string]int
	Look          Look
	What          string
	// Holds: the cluster doubted itself already when this set was committed.
	Holds bool
}

// Version is what a set is known by.
type Version struct{ Epoch, Generation uint64 }

func (v Version) before(w Version) bool {
	if v.Epoch != w.Epoch {
		return v.Epoch < w.Epoch
	}
	return v.Generation < w.Generation
}

// Want is what a set wants of a service; none: not to run.
type Want int

// What a set may want of a service.
const (
	Nothing Want = iota
	Serving
	Draining
)

// Verb is what an agent does to a service.
type Verb string

// What an agent may do.
const (
	Ensure  Verb = "ensure"
	Undrain Verb = "undrain"
	Drain   Verb = "drain"
	Remove  Verb = "remove"
)

// asks says what a set wants where an agent may do this.
func (v Verb) asks() Want {
	switch v {
	case Ensure, Undrain:
		return Serving
	case Drain:
		return Draining
	default:
		return Nothing
	}
}

// Look is what an onlooker sees at a moment.
type Look struct {
	// Leader: one leads, and reaches a majority.
	Leader bool
	// Calm: repair is automatic, nothing is frozen and nothing is held.
	Calm bool
	// Sure counts, by service, who answers and is well connected, so that the
	// cluster must know of it.
	Sure map[string]int
	// Eligible are nodes that could take a service on.
	Eligible map[string][]string
	// Starting says that a start of a service is in flight.
	Starting map[string]bool
	// Failed has the stated reason of a start that failed.
	Failed map[string]string
}

// Broken is one promise that was not kept.
type Broken struct {
	At   time.Time
	Rule string
	Text string
}
