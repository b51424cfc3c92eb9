package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// A running `roster dev` listens on a socket of its own for kill and revive:
// cutting something off is nothing that a cluster's API should offer.

// socketDir holds the sockets of this user's running clusters.
func socketDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("roster-dev-%d", os.Getuid()))
}

// control serves kill and revive until ctx ends.
func (c *Cluster) control(ctx context.Context) error {
	listener, err := listenControl(socketDir())
	if err != nil {
		return err
	}
	// It goes with the last cluster; while there are others it is not empty.
	defer func() { _ = os.Remove(socketDir()) }()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /kill/{id}", c.handle(c.Kill))
	mux.HandleFunc("POST /revive/{id}", c.handle(c.Revive))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // ends Serve, whatever it says
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve kill and revive: %w", err)
	}
	return nil
}

// listenControl opens this process's socket. The folder may go between making
// and using it, with another cluster that ends.
func listenControl(dir string) (net.Listener, error) {
	path := filepath.Join(dir, fmt.Sprintf("%d.sock", os.Getpid()))
	for try := 1; ; try++ {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of control sockets: %w", err)
		}
		_ = os.Remove(path) // left by a process of the same number, long gone
		listener, err := net.Listen("unix", path)
		switch {
		case err == nil:
			return listener, nil
		case try == 3 || !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("listen for kill and revive: %w", err)
		}
	}
}

func (c *Cluster) handle(do func(id string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}

// ErrNoCluster says that no `roster dev` of this user runs.
var ErrNoCluster = errors.New("no `roster dev` of this user runs here: start one in another shell")

// Ask sends kill or revive to the running `roster dev`; pid picks one of
// several, 0 takes the only one.
func Ask(ctx context.Context, verb, id string, pid int) error {
	path, err := socketOf(pid)
	if err != nil {
		return err
	}
	web := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dev/"+verb+"/"+id, nil)
	if err != nil {
		return err
	}
	answer, err := web.Do(request)
	if err != nil {
		return fmt.Errorf("ask the running `roster dev`: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

func socketOf(pid int) (string, error) {
	if pid != 0 {
		return filepath.Join(socketDir(), fmt.Sprintf("%d.sock", pid)), nil
	}
	found, err := filepath.Glob(filepath.Join(socketDir(), "*.sock"))
	if err != nil {
		return "", err
	}
	var live []string
	for _, path := range found {
		conn, err := net.Dial("unix", path)
		if err != nil {
			_ = os.Remove(path) // its process is gone
			continue
		}
		_ = conn.Close() // it was dialled only to look
		live = append(live, path)
	}
	sort.Strings(live)
	switch len(live) {
	case 0:
		return "", ErrNoCluster
	case 1:
		return live[0], nil
	default:
		return "", fmt.Errorf("%d `roster dev` of this user run here: pick one with --pid (%s)", len(live), strings.Join(pids(live), ", "))
	}
}

func pids(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, strings.TrimSuffix(filepath.Base(p), ".sock"))
	}
	return out
}
