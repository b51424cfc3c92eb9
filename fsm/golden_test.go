package fsm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	storev1 "roster/proto/roster/store/v1"
)

// The golden log and snapshot of a schema are written once, when it is new, and
// kept for ever: whatever this build becomes, it replays them to the same state.
// Where this test fails, it is the change that is wrong, unless the schema was
// never released.
var update = flag.Bool("update", false, "write the golden files of the newest schema anew; only before it is released")

const golden = "testdata/golden"

// readLog reads entries, each as index, length, bytes.
func readLog(t testing.TB, path string) []logged {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := bufio.NewReader(file)
	var log []logged
	for {
		index, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return log
		}
		size, err2 := binary.ReadUvarint(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		entry := make([]byte, size)
		if _, err := io.ReadFull(r, entry); err != nil {
			t.Fatal(err)
		}
		log = append(log, logged{index, entry})
	}
}

func writeGolden(t *testing.T, name string, log []logged) {
	t.Helper()
	var raw []byte
	m := New()
	for _, l := range log {
		raw = binary.AppendUvarint(binary.AppendUvarint(raw, l.index), uint64(len(l.entry)))
		raw = append(raw, l.entry...)
		if _, err := m.Apply(l.index, l.entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(golden, 0o755); err != nil {
		t.Fatal(err)
	}
	for suffix, content := range map[string][]byte{
		".log": raw, ".snap": snapshotOf(t, m), ".hash": []byte(hex.EncodeToString(m.State().Hash()) + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(golden, name+suffix), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenLogsAndSnapshotsReplay(t *testing.T) {
	if *update {
		writeGolden(t, fmt.Sprintf("schema%d", Schema), newest(t))
	}
	hashes, err := filepath.Glob(filepath.Join(golden, "*.hash"))
	if err != nil || len(hashes) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range hashes {
		base := strings.TrimSuffix(path, ".hash")
		t.Run(filepath.Base(base), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			applied := New()
			for _, l := range readLog(t, base+".log") {
				if _, err := applied.Apply(l.index, l.entry); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(applied.State().Hash(), want) {
				t.Errorf("the log gives %x, it gave %x", applied.State().Hash(), want)
			}
			snap, err := os.ReadFile(base + ".snap")
			if err != nil {
				t.Fatal(err)
			}
			restored := New()
			if err := restored.Restore(bytes.NewReader(snap)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(restored.State().Hash(), want) {
				t.Errorf("the snapshot gives %x, it gave %x", restored.State().Hash(), want)
			}
		})
	}
}

// A golden log is worth its name only if it holds every command of its schema,
// done and refused.
func TestTheGoldenLogsHoldEveryCommand(t *testing.T) {
	for schema, reasons := range map[uint32]int{1: 12, 2: 22, 3: 27} {
		t.Run(fmt.Sprintf("schema%d", schema), func(t *testing.T) { holdsEveryCommand(t, schema, reasons) })
	}
}

func holdsEveryCommand(t *testing.T, schema uint32, reasons int) {
	m := New()
	done, refusals := map[string]bool{}, map[string]bool{}
	for _, l := range readLog(t, filepath.Join(golden, fmt.Sprintf("schema%d.log", schema))) {
		results, err := m.Apply(l.index, l.entry)
		if err != nil {
			t.Fatal(err)
		}
		envelopes, err := decodeEntry(l.entry)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.GetRefusal() != nil {
				refusals[r.GetRefusal().GetReason()] = true
			} else if r.GetChanged() {
				done[commandName(envelopes[i])] = true
			}
		}
	}
	fields := (&storev1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range fields.Len() {
		c := &storev1.Command{}
		c.ProtoReflect().Mutable(fields.Get(i))
		if name := string(fields.Get(i).Name()); SchemaOf(c) <= schema && !done[name] {
			t.Errorf("%s is not in it", name)
		}
	}
	if len(refusals) < reasons {
		t.Errorf("it has refusals of %d reasons only: %v", len(refusals), sortedKeys(refusals))
	}
}
