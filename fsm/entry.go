package fsm

import (
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	storev1 "roster/proto/roster/store/v1"
)

// Schema is the newest schema of commands and snapshots that this build reads;
// it reads all from 1.
const Schema = 3

// MaxBatch is the most commands that one entry may hold.
const MaxBatch = 512

// Broken invariants. Each means that this member's log, or its build, is not
// what the others have; it must stop rather than guess.
var (
	// ErrChecksum: the bytes are not those that the leader wrote.
	ErrChecksum = errors.New("checksum mismatch: the log on this member's disk is damaged; wipe its data directory and join it again")
	// ErrUndecodable: the bytes are as written, but say nothing.
	ErrUndecodable = errors.New("undecodable command")
	// ErrSchema: written by a newer build.
	ErrSchema = errors.New("schema is newer than this build reads; upgrade this member")
	// ErrOtherCluster: the entry belongs to another cluster.
	ErrOtherCluster = errors.New("command of another cluster; this data directory belongs elsewhere")
	// ErrOrder: entries must come in the order of the log.
	ErrOrder = errors.New("entry out of order")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeEntry makes the content of one Raft entry. The envelopes are complete:
// schema, cluster id and time are set. It fails for none or for more than
// MaxBatch, and for one without a command.
func EncodeEntry(envelopes []*storev1.Envelope) ([]byte, error) {
	if len(envelopes) == 0 || len(envelopes) > MaxBatch {
		return nil, fmt.Errorf("encode entry: %d commands; an entry holds 1 to %d", len(envelopes), MaxBatch)
	}
	entry := &storev1.Entry{Items: make([]*storev1.Item, len(envelopes))}
	for i, env := range envelopes {
		if env.GetCommand().GetCommand() == nil {
			return nil, fmt.Errorf("encode entry: item %d has no command", i)
		}
		raw, err := proto.Marshal(env)
		if err != nil {
			return nil, fmt.Errorf("encode entry: item %d: %w", i, err)
		}
		entry.Items[i] = &storev1.Item{Envelope: raw, Crc32C: crc32.Checksum(raw, castagnoli)}
	}
	raw, err := proto.Marshal(entry)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return raw, nil
}

// decodeEntry is the way back. Nothing of an entry is applied unless all of it
// is whole.
func decodeEntry(raw []byte) ([]*storev1.Envelope, error) {
	var entry storev1.Entry
	if err := proto.Unmarshal(raw, &entry); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	if n := len(entry.GetItems()); n == 0 || n > MaxBatch {
		return nil, fmt.Errorf("%w: %d items; an entry holds 1 to %d", ErrUndecodable, n, MaxBatch)
	}
	envelopes := make([]*storev1.Envelope, len(entry.GetItems()))
	for i, item := range entry.GetItems() {
		env := &storev1.Envelope{}
		err := proto.Unmarshal(item.GetEnvelope(), env)
		if sum := crc32.Checksum(item.GetEnvelope(), castagnoli); sum != item.GetCrc32C() {
			return nil, fmt.Errorf("item %d (%s): %w", i, commandName(env), ErrChecksum)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d (%s): %w: %w", i, commandName(env), ErrUndecodable, err)
		}
		if err := checkEnvelope(env); err != nil {
			return nil, fmt.Errorf("item %d (%s): %w", i, commandName(env), err)
		}
		envelopes[i] = env
	}
	return envelopes, nil
}

// checkEnvelope holds for what every leader writes, of any age.
func checkEnvelope(env *storev1.Envelope) error {
	switch {
	case env.GetSchema() > Schema:
		return fmt.Errorf("%w (schema %d, reads up to %d)", ErrSchema, env.GetSchema(), Schema)
	case env.GetSchema() == 0:
		return fmt.Errorf("%w: no schema", ErrUndecodable)
	case env.GetCommand().GetCommand() == nil:
		return fmt.Errorf("%w: no command that schema %d knows", ErrUndecodable, env.GetSchema())
	case env.GetTime().CheckValid() != nil:
		return fmt.Errorf("%w: no valid time", ErrUndecodable)
	}
	return nil
}

// commandName is the command's field name, for messages.
func commandName(env *storev1.Envelope) string {
	m := env.GetCommand().ProtoReflect()
	if !m.IsValid() {
		return "no command"
	}
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("command"))
	if field == nil {
		return "unknown command"
	}
	return string(field.Name())
}
