package agent

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	v1 "roster/proto/roster/v1"
)

// dataFile is a config whose service says of its data what is given; empty: nothing.
func dataFile(data string) string {
	if data != "" {
		data = "\n    data: " + data
	}
	return "node: mail-1\ndir: data\nmembers: [127.0.0.1:7401]\nservices:\n  - name: imap\n    driver: process" + data +
		"\n    endpoints: [{host: 127.0.0.1, port: 143}]\n    process: {argv: [/usr/sbin/dovecot, -F]}\n"
}

func TestAConfigSaysWhereTheDataOfAServiceLives(t *testing.T) {
	for word, want := range map[string]v1.Data{"": v1.Data_DATA_UNSPECIFIED, "local": v1.Data_DATA_LOCAL, "shared": v1.Data_DATA_SHARED} {
		cfg, err := parseConfig("agent.yaml", []byte(dataFile(word)), nil)
		if err != nil {
			t.Fatalf("data %q: %v", word, err)
		}
		if got := cfg.Claims.GetServices()[0].GetData(); got != want {
			t.Errorf("data %q: the claim says %v, want %v", word, got, want)
		}
	}
}

func TestAWordThatSaysNothingOfDataIsRefusedWithItsLineAndItsMend(t *testing.T) {
	for word, mend := range map[string]string{
		"mine": "use shared or local", "locl": "did you mean local?", "sharde": "did you mean shared?",
		"Local": "did you mean local?", "true": "shared or local", "[local]": "right kind", "{local: true}": "right kind",
	} {
		_, err := parseConfig("agent.yaml", []byte(dataFile(word)), nil)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 {
			t.Errorf("data %s: %v", word, err)
			continue
		}
		f := faults[0]
		if f.Path != "services[0].data" || f.Line != 7 || f.Column < 9 || !strings.Contains(f.Mend, mend) || !strings.Contains(f.Excerpt, word) {
			t.Errorf("data %s: %v", word, f)
		}
	}
}

func TestWhereDataLivesIsToldToTheMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "imap", "jmap")
		r.cfg.Claims.Services[0].Data = v1.Data_DATA_LOCAL
		m := r.net.member(t, "127.0.0.1:1")
		m.tell(set(7, "imap", serving, "jmap", serving))
		r.start()
		r.settle("both serve", func() bool { return r.reads("imap", isServing)() && r.reads("jmap", isServing)() })
		told := m.greeted()[0].GetClaims().GetServices()
		if told[0].GetData() != v1.Data_DATA_LOCAL || told[1].GetData() != v1.Data_DATA_UNSPECIFIED {
			t.Fatalf("hello: %v", told)
		}
	})
}
