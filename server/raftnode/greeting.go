package raftnode

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A connection of the Raft port begins with one line each way. Raft itself
// believes any message of a higher term: members that were left behind by a
// recovery or a restore, and come back, would write their history over the new
// one, for they still have each other as a majority. So a connection says first
// which cluster and which epoch it belongs to, and only the same speak.

// lineage is what two members must share, and which of them one is.
type lineage struct {
	cluster string
	// epoch 0: not known yet.
	epoch  uint64
	member string
}

const (
	greetingWord = "roster-raft-1"
	// greetingSize is the most bytes of a line.
	greetingSize = 256
	welcomeWord  = "welcome"
	removedWord  = "removed"
)

// errStranger is told to a member that was taken out of the group.
var errStranger = errors.New("it was removed from the cluster")

// otherHistoryError says that a peer is of another history.
type otherHistoryError struct{ own, peer lineage }

// Error names both.
func (e *otherHistoryError) Error() string {
	if e.own.cluster != e.peer.cluster {
		return fmt.Sprintf("it is of cluster %s, this member of %s", e.peer.cluster, e.own.cluster)
	}
	return fmt.Sprintf("it is in epoch %d of the cluster, this member in %d", e.peer.epoch, e.own.epoch)
}

// behind says whether the peer's history took the place of this one.
func (e *otherHistoryError) behind() bool {
	return e.own.cluster == e.peer.cluster && e.own.epoch < e.peer.epoch
}

// with says whether two may speak.
func (h lineage) with(peer lineage) error {
	if h.cluster != peer.cluster || h.epoch != peer.epoch && h.epoch != 0 && peer.epoch != 0 {
		return &otherHistoryError{own: h, peer: peer}
	}
	return nil
}

// greet begins a connection that was dialled.
func (h lineage) greet(conn net.Conn, bound time.Duration) error {
	return bounded(conn, bound, func() error {
		if err := writeLine(conn, h.words()...); err != nil {
			return err
		}
		line, err := readLine(conn)
		if err != nil {
			return err
		}
		switch {
		case len(line) == 1 && line[0] == welcomeWord:
			return nil
		case len(line) == 1 && line[0] == removedWord:
			return errStranger
		}
		peer, err := parseHistory(line)
		if err != nil {
			return err
		}
		if err := h.with(peer); err != nil {
			return err
		}
		return errors.New("it does not want to speak to this member")
	})
}

// answer begins a connection that was accepted: it says welcome, or why not.
func (h lineage) answer(conn net.Conn, bound time.Duration, removed func(member string) bool) error {
	return bounded(conn, bound, func() error {
		line, err := readLine(conn)
		if err != nil {
			return err
		}
		peer, err := parseHistory(line)
		if err != nil {
			return err
		}
		if err := h.with(peer); err != nil {
			return errors.Join(err, writeLine(conn, h.words()...))
		}
		if removed(peer.member) {
			return errors.Join(fmt.Errorf("member %s: %w", peer.member, errStranger), writeLine(conn, removedWord))
		}
		return writeLine(conn, welcomeWord)
	})
}

func (h lineage) words() []string {
	return []string{greetingWord, h.cluster, fmt.Sprint(h.epoch), h.member}
}

// bounded bounds what is done on a connection.
func bounded(conn net.Conn, bound time.Duration, do func() error) error {
	if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if err := do(); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	return nil
}

func writeLine(conn net.Conn, words ...string) error {
	_, err := io.WriteString(conn, strings.Join(words, " ")+"\n")
	return err
}

// readLine reads no byte more than the line: what follows is raft's.
func readLine(conn net.Conn) ([]string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < greetingSize; {
		if _, err := io.ReadFull(conn, one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return strings.Fields(string(line)), nil
		}
		line = append(line, one[0])
	}
	return nil, errors.New("its first line is too long: it is no member")
}

func parseHistory(line []string) (h lineage, err error) {
	if len(line) != 4 || line[0] != greetingWord {
		return h, errors.New("it does not begin as a member does")
	}
	h.cluster, h.member = line[1], line[3]
	if _, err := fmt.Sscanf(line[2], "%d", &h.epoch); err != nil {
		return h, errors.New("it names no epoch")
	}
	return h, nil
}
