package agent

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"google.golang.org/protobuf/encoding/protojson"

	v1 "roster/proto/roster/v1"
)

// cacheFile holds what the agent was told last, so that it serves without any member.
// It is text, for people: a head line with the checksum of the rest, then the
// member's Welcome, the set, and what the agent claimed when it was told it (not in
// files of version 1), each as JSON in one line.
const cacheFile = "set"

// largestCache bounds what is read.
const largestCache = 16 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errCache: the file is not what was written.
var errCache = errors.New("the cached set is damaged")

// memory is what an agent remembers: the cluster it belongs to, and its set.
type memory struct {
	// welcome has the cluster's id, name and members; nil: never in a cluster.
	welcome *v1.Welcome
	// set is nil where none was ever held.
	set *v1.AssignmentSet
	// claimed has the mode that this agent claimed when it was told the set.
	claimed *v1.NodeClaims
}

func encodeMemory(m memory) ([]byte, error) {
	var body bytes.Buffer
	for _, part := range []func() ([]byte, error){
		func() ([]byte, error) { return protojson.Marshal(m.welcome) },
		func() ([]byte, error) { return protojson.Marshal(m.set) },
		func() ([]byte, error) { return protojson.Marshal(m.claimed) },
	} {
		text, err := part()
		if err != nil {
			return nil, err
		}
		body.Write(text)
		body.WriteByte('\n')
	}
	head := fmt.Sprintf("roster agent 2 %t %t %08x\n", m.welcome != nil, m.set != nil, crc32.Checksum(body.Bytes(), castagnoli))
	return append([]byte(head), body.Bytes()...), nil
}

func decodeMemory(text []byte) (memory, error) {
	head, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return memory{}, fmt.Errorf("%w: it has no second line", errCache)
	}
	var version int
	var welcomed, held bool
	var sum uint32
	if _, err := fmt.Sscanf(string(head), "roster agent %d %t %t %x", &version, &welcomed, &held, &sum); err != nil || version < 1 || version > 2 {
		return memory{}, fmt.Errorf("%w: its first line is not one of this version (%w)", errCache, err)
	}
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return memory{}, fmt.Errorf("%w: checksum is %08x, written was %08x", errCache, got, sum)
	}
	lines := bytes.Split(body, []byte("\n"))
	if len(lines) < version+1 {
		return memory{}, fmt.Errorf("%w: a line is missing", errCache)
	}
	var m memory
	if welcomed {
		m.welcome = &v1.Welcome{}
		if err := protojson.Unmarshal(lines[0], m.welcome); err != nil {
			return memory{}, fmt.Errorf("%w: %w", errCache, err)
		}
	}
	if held {
		m.set = &v1.AssignmentSet{}
		if err := protojson.Unmarshal(lines[1], m.set); err != nil {
			return memory{}, fmt.Errorf("%w: %w", errCache, err)
		}
		if len(m.set.GetAssignments()) == 0 && !m.set.GetEmpty() {
			return memory{}, fmt.Errorf("%w: %w", errCache, errNoOrder)
		}
	}
	if held && version > 1 {
		m.claimed = &v1.NodeClaims{}
		if err := protojson.Unmarshal(lines[2], m.claimed); err != nil {
			return memory{}, fmt.Errorf("%w: %w", errCache, err)
		}
	}
	return m, nil
}

// readMemory returns nothing, and no error, where there is no file.
func readMemory(path string) (memory, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, fmt.Errorf("read the cached set: %w", err)
	}
	if info.Size() > largestCache {
		return memory{}, fmt.Errorf("%w: it has %d bytes", errCache, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return memory{}, fmt.Errorf("read the cached set: %w", err)
	}
	return decodeMemory(text)
}

// writeMemory replaces the file at once or not at all.
func writeMemory(path string, m memory) error {
	text, err := encodeMemory(m)
	if err != nil {
		return fmt.Errorf("write the cached set: %w", err)
	}
	if err := renameio.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write the cached set: %w", err)
	}
	return nil
}
