// Package bench measures members as processes: writes, the gap when a leader
// is killed, and how fast a change reaches every agent. It owns the load and
// the table; it asserts nothing about time, since a figure is true of one
// machine only. It drives a cluster by gRPC, as clients and agents do.
//
// Everything runs in one test at a time.
package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is the machine in a line.
func Machine() string {
	return fmt.Sprintf("%d processors (%s), %s, %s, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		memory(), kernel(), runtime.Version())
}

// field is the first value of a key in a file of `key : value` lines.
func field(path, key string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = file.Close() }() // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memory() string {
	var kib uint64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d kB", &kib); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown kernel"
	}
	return "Linux " + strings.TrimSpace(string(text))
}
