package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	v1 "roster/proto/roster/v1"
)

func remembered() memory {
	return memory{
		welcome: &v1.Welcome{ClusterId: clusterA, Cluster: "test", Epoch: 3, Members: []string{"127.0.0.1:1", "127.0.0.1:2"}},
		set:     set(7, "imap", serving, "jmap", draining),
	}
}

func TestWhatIsRememberedIsReadBack(t *testing.T) {
	for name, m := range map[string]memory{
		"nothing":    {},
		"a cluster":  {welcome: remembered().welcome},
		"everything": remembered(),
		"no service": {welcome: remembered().welcome, set: set(9)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "set")
			if err := writeMemory(path, m); err != nil {
				t.Fatal(err)
			}
			got, err := readMemory(path)
			if err != nil {
				t.Fatal(err)
			}
			if !same(got.welcome, m.welcome) || !same(got.set, m.set) {
				t.Fatalf("got %v %v, want %v %v", got.welcome, got.set, m.welcome, m.set)
			}
			if (got.welcome == nil) != (m.welcome == nil) || (got.set == nil) != (m.set == nil) {
				t.Fatal("nothing became an empty something")
			}
		})
	}
}

func TestEveryFlippedByteAndEveryTornFileIsNoticed(t *testing.T) {
	text, err := encodeMemory(remembered())
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		flipped := append([]byte(nil), text...)
		flipped[i] ^= 1
		if m, err := decodeMemory(flipped); err == nil && !(same(m.set, remembered().set) && same(m.welcome, remembered().welcome)) {
			t.Fatalf("byte %d flipped: read as %v %v", i, m.welcome, m.set)
		}
		if _, err := decodeMemory(text[:i]); err == nil {
			t.Fatalf("torn after %d bytes: read without an error", i)
		}
	}
}

func TestNoFileIsNoMemory(t *testing.T) {
	m, err := readMemory(filepath.Join(t.TempDir(), "set"))
	if err != nil || m.welcome != nil || m.set != nil {
		t.Fatalf("%v %v", m, err)
	}
}

func TestADamagedInstanceIDIsNotReplacedSilently(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "instance"), []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(dir); err == nil {
		t.Fatal("opened")
	}
	if _, err := openFolder(dir); errors.Is(err, ErrFolderInUse) {
		t.Fatal("the lock was kept")
	}
}

// FuzzMemory: no file makes the reader fail in another way than by an error, and what
// it reads is never an empty set that does not say that it is meant.
func FuzzMemory(f *testing.F) {
	for _, m := range []memory{{}, {welcome: remembered().welcome}, remembered(), {set: set(1)}} {
		text, err := encodeMemory(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add([]byte("roster agent 1 true true 00000000\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeMemory(text)
		if err != nil {
			if !errors.Is(err, errCache) {
				t.Fatalf("error without its kind: %v", err)
			}
			return
		}
		if m.set != nil && len(m.set.GetAssignments()) == 0 && !m.set.GetEmpty() {
			t.Fatal("an empty set that is no order was read as one")
		}
		again, err := encodeMemory(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeMemory(again)
		if err != nil || !same(back.set, m.set) || !same(back.welcome, m.welcome) {
			t.Fatalf("not the same after writing: %v", err)
		}
	})
}
