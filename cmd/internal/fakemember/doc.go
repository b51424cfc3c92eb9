// Package fakemember owns a pretended member for tests of the verbs: it answers
// the public services on loopback with what the test gave it. It decides
// nothing. A Member may be changed while it serves.
package fakemember
