// Command testsummary reads `go test -json` and prints what a person wants to
// know: failures with their output, a line per package, and each skipped test
// with its reason. It exits with 1 where a test failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

type key struct{ pkg, test string }

func main() {
	output := map[key][]string{}
	skipped := map[string][]string{}
	var failed []key
	passed, nFailed := 0, 0

	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Println(in.Text())
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			output[k] = append(output[k], e.Output)
		case "pass", "skip", "fail":
			report(e, k, output, skipped, &failed)
			if e.Test != "" {
				switch e.Action {
				case "pass":
					passed++
				case "fail":
					nFailed++
				}
			}
			delete(output, k)
		}
	}
	for k, lines := range output {
		if k.test == "" && k.pkg == "" {
			fmt.Print(strings.Join(lines, ""))
		}
	}
	nSkipped := printSkips(skipped)
	for _, k := range failed {
		fmt.Printf("FAILED %s %s\n", k.pkg, k.test)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, nFailed, nSkipped)
	if len(failed) > 0 {
		os.Exit(1)
	}
}

func report(e event, k key, output map[key][]string, skipped map[string][]string, failed *[]key) {
	switch {
	case e.Action == "skip" && e.Test != "":
		reason := skipReason(output[k])
		skipped[reason] = append(skipped[reason], k.test)
	case e.Action == "fail":
		*failed = append(*failed, k)
		fmt.Printf("--- FAIL %s %s\n%s", k.pkg, k.test, strings.Join(output[k], ""))
		if e.Test == "" {
			unfinished(k.pkg, output)
		}
	case e.Test == "" && e.Action == "pass":
		fmt.Printf("ok   %-44s %6.1fs\n", e.Package, e.Elapsed)
	}
}

// unfinished prints what tests said that have neither passed nor failed when
// their package had ended: one of them took the process down.
func unfinished(pkg string, output map[key][]string) {
	var left []key
	for k := range output {
		if k.pkg == pkg && k.test != "" {
			left = append(left, k)
		}
	}
	sort.Slice(left, func(i, j int) bool { return left[i].test < left[j].test })
	for _, k := range left {
		fmt.Printf("--- UNFINISHED %s %s\n%s", k.pkg, k.test, strings.Join(output[k], ""))
		delete(output, k)
	}
}

// skipReason is what the test said before it was skipped.
func skipReason(lines []string) string {
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "===") || strings.HasPrefix(l, "---") {
			continue
		}
		if _, after, ok := strings.Cut(l, ".go:"); ok {
			if _, text, ok := strings.Cut(after, ": "); ok {
				return text
			}
		}
		return l
	}
	return "no reason given"
}

func printSkips(skipped map[string][]string) int {
	reasons := make([]string, 0, len(skipped))
	for r := range skipped {
		reasons = append(reasons, r)
	}
	sort.Strings(reasons)
	n := 0
	for _, r := range reasons {
		n += len(skipped[r])
		fmt.Printf("skipped %d: %s (%s)\n", len(skipped[r]), r, strings.Join(skipped[r], ", "))
	}
	return n
}
