package raftnode

import (
	"context"
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

// lineage is what two members must share.
type lineage struct {
	cluster string
	// epoch 0: not known yet.
	epoch uint64
}

const (
	greetingWord = "roster-raft-1"
	// greetingSize is the most bytes of a line.
	greetingSize = 256
	welcomeLine  = "welcome"
)

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
		if err := writeLine(conn, greetingWord, h.cluster, fmt.Sprint(h.epoch)); err != nil {
			return err
		}
		line, err := readLine(conn)
		if err != nil {
			return err
		}
		if len(line) == 1 && line[0] == welcomeLine {
			return nil
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

// answer begins a connection that was accepted: it says welcome, or what this
// member is.
func (h lineage) answer(conn net.Conn, bound time.Duration) error {
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
			return errors.Join(err, writeLine(conn, greetingWord, h.cluster, fmt.Sprint(h.epoch)))
		}
		return writeLine(conn, welcomeLine)
	})
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
	if len(line) != 3 || line[0] != greetingWord {
		return h, errors.New("it does not begin as a member does")
	}
	h.cluster = line[1]
	if _, err := fmt.Sscanf(line[2], "%d", &h.epoch); err != nil {
		return h, errors.New("it names no epoch")
	}
	return h, nil
}

// lineage is this member's own, as far as it is known.
func (n *Node) lineage() lineage {
	return lineage{cluster: n.cfg.Identity.ClusterID, epoch: n.epoch.Load()}
}

// learnEpoch keeps the epoch of a member that was made before epochs were kept,
// once its state tells it: after its next start nobody else could.
func (n *Node) learnEpoch(ctx context.Context) error {
	for n.epoch.Load() == 0 {
		changed := n.cfg.Machine.Changed()
		if cluster := n.cfg.Machine.State().Cluster(); cluster != nil {
			n.epoch.Store(cluster.GetEpoch())
			kept, err := Load(n.cfg.Dir)
			if err == nil {
				kept.Epoch = cluster.GetEpoch()
				err = kept.write(n.cfg.Dir)
			}
			if err != nil {
				n.cfg.Logger.Warn("the epoch was not noted in the member's file", "error", err)
			}
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// superseded stops a member that another one told of a newer history.
func (n *Node) superseded(address string, e *otherHistoryError) {
	n.stop(fmt.Errorf("%w: the member at %s says that cluster %s was recovered or restored: it is in epoch %d now, member %s still in %d. "+
		"What this member holds is not wanted any more, and nothing of it is taken over. Mend: delete %s and run `roster join`",
		ErrSuperseded, address, n.cfg.Identity.ClusterName, e.peer.epoch, n.cfg.Identity.Name, e.own.epoch, n.cfg.Dir))
}
