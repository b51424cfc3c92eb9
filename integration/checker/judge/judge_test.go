package judge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roster/integration/checker/history"
	"roster/integration/checker/judge"
)

var options = judge.Options{BlindAfter: 3, ExpectWithin: 5, MendWithin: 2}

// Each history says in its second line what it must be found to be.
func TestEveryHandMadeHistoryGetsItsVerdict(t *testing.T) {
	for _, folder := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.jsonl"))
		if err != nil || len(files) < 8 {
			t.Fatalf("%d histories in %s, %v", len(files), folder, err)
		}
		for _, file := range files {
			t.Run(folder+"/"+strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				_, wanted, ok := strings.Cut(string(text), `"text": "expect `)
				if !ok {
					t.Fatal("the history does not say what to expect")
				}
				wanted, _, _ = strings.Cut(wanted, `"}`)
				if (folder == "good") != strings.HasPrefix(wanted, "held") {
					t.Fatalf("a %s history expects %q", folder, wanted)
				}
				if got, holds := verdict(t, string(text), wanted); !holds {
					t.Fatalf("expected %q, got %s", wanted, got)
				}
			})
		}
	}
}

// verdict judges a history and says whether that is what was wanted.
func verdict(t *testing.T, text, wanted string) (got string, holds bool) {
	t.Helper()
	word, rest, _ := strings.Cut(wanted, " ")
	records, err := history.Decode(strings.NewReader(text))
	var found *judge.Verdict
	if err == nil {
		found, err = judge.Judge(records, options)
	}
	if err != nil {
		unusable := errors.Is(err, judge.ErrUnusable) || errors.Is(err, history.ErrTorn)
		return err.Error(), word == "unusable" && unusable && strings.Contains(err.Error(), rest)
	}
	var out strings.Builder
	if err := found.Print(&out); err != nil {
		t.Fatal(err)
	}
	switch strings.TrimSuffix(word, ";") {
	case "broken":
		return out.String(), found.Broken() && strings.Contains(out.String(), rest)
	case "held":
		if _, dip, ok := strings.Cut(rest, "dip "); ok {
			service, charge, _ := strings.Cut(dip, " ")
			if len(found.Dips) == 0 || found.Dips[0].Service != service || !strings.HasPrefix(found.Dips[0].Charged, charge) {
				return out.String(), false
			}
		} else if len(found.Dips) > 0 {
			return out.String(), false
		}
		return out.String(), !found.Broken()
	default:
		return out.String(), false
	}
}

func TestADipByAFaultHasItsLength(t *testing.T) {
	records, err := history.Read("testdata/good/fault-below-floor.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	found, err := judge.Judge(records, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Dips) != 1 {
		t.Fatalf("dips %+v", found.Dips)
	}
	dip := found.Dips[0]
	if length := dip.To - dip.From; length < 3.89 || length > 3.91 || dip.Lowest != 1 || dip.Floor != 2 || dip.Charged != "fault: kill -9" {
		t.Errorf("dip %+v of %.3f s", dip, length)
	}
	if found.Lowest["imap"] != 1 || found.Faults != 2 || found.Commands != 0 {
		t.Errorf("verdict %+v", found)
	}
}
