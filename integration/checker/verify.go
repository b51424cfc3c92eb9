package main

import (
	"flag"
	"io"
	"path/filepath"
	"time"

	"roster/integration/checker/history"
	"roster/integration/checker/judge"
)

func verifyVerb(args []string, stdout, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	blind := flags.Duration("blind", 3*time.Second, "longest time that a target may go without a dial")
	within := flags.Duration("expect-within", 5*time.Second, "how long the counts of an expect mark may take to be seen")
	mend := flags.Duration("mend-within", 0, "how long a service may be under its floor before a start is in flight; 0: not judged")
	if err := flags.Parse(args); err != nil {
		return exitError, err
	}
	if flags.NArg() != 1 {
		return exitError, errUsage
	}
	records, err := history.Read(filepath.Join(flags.Arg(0), history.FileName))
	if err != nil {
		return exitError, err
	}
	verdict, err := judge.Judge(records, judge.Options{BlindAfter: blind.Seconds(), ExpectWithin: within.Seconds(), MendWithin: mend.Seconds()})
	if err != nil {
		return exitError, err
	}
	if err := verdict.Print(stdout); err != nil {
		return exitError, err
	}
	if verdict.Broken() {
		return exitBroken, nil
	}
	return exitHeld, nil
}
