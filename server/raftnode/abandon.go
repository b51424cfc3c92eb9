package raftnode

import "errors"

// ErrAbandoned ends Run after Abandon.
var ErrAbandoned = errors.New("this member was cut off on purpose")

// Abandon lets Run end at once, without goodbye: leadership is not handed over
// and the others are not told, as if the process had died.
func (n *Node) Abandon() { n.stop(ErrAbandoned) }
