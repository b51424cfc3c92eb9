package backup_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"roster/cmd/internal/backup"
	"roster/fsm"
	storev1 "roster/proto/roster/store/v1"
)

// whole is a snapshot that every build has to read.
func whole(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../fsm/testdata/golden/schema1.snap")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pieces gives a text bit by bit, and then an end.
func pieces(text []byte, end error) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(text) == 0 {
			return nil, end
		}
		piece := text[:min(1000, len(text))]
		text = text[len(piece):]
		return piece, nil
	}
}

func TestABackupIsThereWholeOrNotAtAll(t *testing.T) {
	text := whole(t)
	broken := bytes.Clone(text)
	broken[len(broken)/2] ^= 1
	for name, c := range map[string]struct {
		text []byte
		end  error
		want error
	}{
		"the stream breaks":        {text[:4000], io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		"it ends too early":        {text[:4000], io.EOF, fsm.ErrSnapshot},
		"a bit is another":         {broken, io.EOF, fsm.ErrSnapshot},
		"there is more after it":   {append(bytes.Clone(text), 1), io.EOF, fsm.ErrSnapshot},
		"nothing comes":            {nil, io.EOF, fsm.ErrSnapshot},
		"something else comes":     {[]byte("GET / HTTP/1.1\r\n\r\n"), io.EOF, fsm.ErrSnapshot},
		"the first piece is error": {nil, io.ErrClosedPipe, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backup")
			if err := os.WriteFile(path, []byte("the one before"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.Save(path, true, pieces(c.text, c.end), func(uint64) {}); !errors.Is(err, c.want) {
				t.Errorf("it ended with %v", err)
			}
			if before, err := os.ReadFile(path); err != nil || string(before) != "the one before" {
				t.Errorf("the backup before is gone: %q, %v", before, err)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestABackupThatIsThereIsReplacedOnDemandAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := false
	_, err := backup.Save(path, false, func() ([]byte, error) { asked = true; return nil, io.EOF }, func(uint64) {})
	if !errors.Is(err, backup.ErrExists) || asked {
		t.Errorf("it ended with %v, a member was asked: %v", err, asked)
	}
	// One that came meanwhile is not replaced either.
	late := filepath.Join(t.TempDir(), "late")
	next := pieces(whole(t), io.EOF)
	_, err = backup.Save(late, false, func() ([]byte, error) {
		if err := os.WriteFile(late, []byte("meanwhile"), 0o600); err != nil {
			return nil, err
		}
		return next()
	}, func(uint64) {})
	if !errors.Is(err, backup.ErrExists) {
		t.Errorf("it ended with %v", err)
	}
	summary, err := backup.Save(path, true, pieces(whole(t), io.EOF), func(uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	said(t, summary)
	read, err := backup.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	said(t, read)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}

func said(t *testing.T, s *storev1.SnapshotSummary) {
	t.Helper()
	if s.GetIndex() != 61 || s.GetSizeBytes() != 7758 || s.GetNodes() != 3 || s.GetAssignments() != 5 || s.GetTopology().GetRevision() != 3 || len(s.GetMembers()) != 2 {
		t.Errorf("it says %v", s)
	}
}
