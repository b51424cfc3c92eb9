package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// newFile is a file to be written where none is.
type newFile struct {
	path string
	data []byte
	mode fs.FileMode
}

// writeNew writes all files or none. A file that exists is never touched: a key
// that was overwritten is lost for good.
func writeNew(files ...newFile) (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	for _, f := range files {
		w, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("write %s: %w; move it away first", f.path, ErrExists)
		} else if err != nil {
			return fmt.Errorf("write new file: %w", err)
		}
		made = append(made, f.path)
		_, err = w.Write(f.data)
		if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	return nil
}
