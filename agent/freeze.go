package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// freezeFile is the default, in the agent's data folder.
	freezeFile = "freeze"
	// freezeEvery is how often the freeze file is looked at, beside before each action.
	freezeEvery = 500 * time.Millisecond
	// longestFreeze bounds what is read of its first line.
	longestFreeze = 200
)

// lookAtFreeze finds out whether the host is frozen now. Looks are taken one at a time,
// so that an older one never undoes a newer.
func (a *Agent) lookAtFreeze() {
	a.freezing.Lock()
	defer a.freezing.Unlock()
	why := readFreeze(a.cfg.FreezeFile)
	a.board.freeze(why)
	if !a.orders.freeze(why) {
		return
	}
	if why == "" {
		a.log.Info("the freeze file is gone: this agent acts again", "file", a.cfg.FreezeFile)
		return
	}
	a.log.Warn("the freeze file is there: this agent acts on nothing", "file", a.cfg.FreezeFile, "reason", why)
}

// watchFreeze looks until ctx ends.
func (a *Agent) watchFreeze(ctx context.Context) {
	tick := time.NewTicker(freezeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.lookAtFreeze()
		}
	}
}

// readFreeze is why a freeze file freezes; empty where there is none. Where that cannot
// be found out it freezes: an operator who wants hands off must not depend on a disk.
func readFreeze(path string) string {
	unnamed := "freeze file " + path
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ""
	case err != nil:
		return fmt.Sprintf("%s cannot be looked at (%v)", unnamed, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return unnamed
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return unnamed
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, longestFreeze))
	line, _, _ := strings.Cut(string(text), "\n")
	// It travels as text: what is no text would end the session.
	if line = strings.TrimSpace(strings.ToValidUTF8(line, "")); line == "" {
		return unnamed
	}
	return line
}
