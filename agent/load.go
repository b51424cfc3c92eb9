package agent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	execdriver "roster/agent/driver/exec"
	"roster/agent/driver/process"
	"roster/client/identity"
	v1 "roster/proto/roster/v1"
)

// largestConfig bounds a config file.
const largestConfig = 1 << 20

// file is the shape of a config file; Config says what the keys mean.
type file struct {
	Node          string            `yaml:"node"`
	Dir           string            `yaml:"dir"`
	Members       []string          `yaml:"members"`
	TLS           *tlsFile          `yaml:"tls"`
	Region        string            `yaml:"region"`
	Zone          string            `yaml:"zone"`
	Labels        map[string]string `yaml:"labels"`
	Capacity      uint32            `yaml:"capacity"`
	ProbeInterval string            `yaml:"probe_interval"`
	Heartbeat     string            `yaml:"heartbeat"`
	Mode          string            `yaml:"mode"`
	NeverStop     []string          `yaml:"never_stop"`
	FreezeFile    string            `yaml:"freeze_file"`
	Services      []serviceFile     `yaml:"services"`
}

type tlsFile struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

type serviceFile struct {
	Name         string         `yaml:"name"`
	Driver       string         `yaml:"driver"`
	RestartGroup string         `yaml:"restart_group"`
	Data         string         `yaml:"data"`
	Endpoints    []endpointFile `yaml:"endpoints"`
	Process      *processFile   `yaml:"process"`
	Exec         *execFile      `yaml:"exec"`
}

type endpointFile struct {
	Host string `yaml:"host"`
	Port uint32 `yaml:"port"`
	TLS  string `yaml:"tls"`
	Path string `yaml:"path"`
}

type processFile struct {
	Argv       []string          `yaml:"argv"`
	Env        map[string]string `yaml:"env"`
	Prepare    [][]string        `yaml:"prepare"`
	Drain      []string          `yaml:"drain"`
	Undrain    []string          `yaml:"undrain"`
	Active     []string          `yaml:"active"`
	Stop       []string          `yaml:"stop"`
	StopSignal string            `yaml:"stop_signal"`
	KillAfter  string            `yaml:"kill_after"`
	Adopt      *adoptFile        `yaml:"adopt"`
}

type adoptFile struct {
	PIDFile string `yaml:"pid_file"`
}

type execFile struct {
	Start        []string          `yaml:"start"`
	Stop         []string          `yaml:"stop"`
	Status       []string          `yaml:"status"`
	Drain        []string          `yaml:"drain"`
	Undrain      []string          `yaml:"undrain"`
	Sessions     []string          `yaml:"sessions"`
	Env          map[string]string `yaml:"env"`
	PassEnv      []string          `yaml:"pass_env"`
	StartWithin  string            `yaml:"start_within"`
	StopWithin   string            `yaml:"stop_within"`
	AnswerWithin string            `yaml:"answer_within"`
}

// LoadConfig reads an agent's config file. Errors are Faults: they name line and
// column and say how to mend the file. Relative paths in it are read from the
// file's own folder.
func LoadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read agent config: %w", err)
	}
	defer func() { _ = f.Close() }()
	src, err := io.ReadAll(io.LimitReader(f, largestConfig+1))
	if err != nil {
		return Config{}, fmt.Errorf("read agent config: %w", err)
	}
	return parseConfig(path, src, exec.LookPath)
}

// parseConfig reads a config; look finds programs as exec.LookPath does, nil: none is
// looked for.
func parseConfig(path string, src []byte, look func(string) (string, error)) (_ Config, err error) {
	at := &placer{file: path, lines: strings.Split(string(src), "\n")}
	defer func() {
		// The YAML library panics on some files that no person writes.
		if p := recover(); p != nil {
			err = Faults{at.place(&Fault{Message: fmt.Sprintf("the file cannot be read as YAML (%v)", p), Mend: "write it as docs/agents.md shows"}, nil)}
		}
	}()
	if len(src) > largestConfig {
		return Config{}, Faults{at.place(&Fault{Message: "the file is larger than 1 MiB", Mend: "keep one agent's config in it"}, nil)}
	}
	if deepest(src) > 64 {
		return Config{}, Faults{at.place(&Fault{Message: "the file nests deeper than any config", Mend: "write it as docs/agents.md shows"}, nil)}
	}
	parsed, err := parser.ParseBytes(src, 0)
	if err != nil {
		return Config{}, at.syntax(err)
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		var tk *token.Token
		if len(parsed.Docs) > 1 && parsed.Docs[1].Body != nil {
			tk = start(parsed.Docs[1].Body)
		}
		return Config{}, Faults{at.place(&Fault{Message: fmt.Sprintf("the file has %d documents", len(parsed.Docs)), Mend: "write exactly one, without `---`"}, tk)}
	}
	at.root = parsed.Docs[0].Body
	if at.root.Type() != ast.MappingType && at.root.Type() != ast.MappingValueType {
		return Config{}, Faults{at.place(&Fault{Message: "the file is no mapping", Mend: "begin with `node: ID`"}, start(at.root))}
	}
	if tk := indirection(at.root); tk != nil {
		return Config{}, Faults{at.place(&Fault{Message: "anchors, aliases, merges and tags are not read", Mend: "write the value out"}, tk)}
	}
	var raw file
	d := &decoder{at: at}
	d.fill(at.root, "", reflect.ValueOf(&raw).Elem())
	cfg, fs := raw.config(filepath.Dir(path))
	var more Faults
	if err := cfg.Validate(); errors.As(err, &more) {
		fs = append(fs, more...)
	}
	if look != nil {
		cfg.checkPrograms(&fs, look)
	}
	// Faults of form come first; what only follows from them is left out.
	fs = slices.DeleteFunc(fs, d.told)
	for _, fault := range fs {
		_ = at.place(fault, at.find(fault.Path)) // the same fault, now with its place
	}
	fs = append(d.faults, fs...)
	slices.SortStableFunc(fs, func(x, y *Fault) int { return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column)) })
	return cfg, fs.err()
}

func (raw *file) config(base string) (Config, Faults) {
	var fs Faults
	under := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(base, path)
	}
	cfg := Config{
		Node: raw.Node, Dir: under(raw.Dir), Members: raw.Members,
		ProbeInterval: fs.duration("probe_interval", raw.ProbeInterval), Heartbeat: fs.duration("heartbeat", raw.Heartbeat),
		Claims:  &v1.NodeClaims{Region: raw.Region, Zone: raw.Zone, Labels: raw.Labels, Capacity: raw.Capacity},
		Process: make(map[string]process.Command),
		Exec:    make(map[string]execdriver.Scripts), FreezeFile: under(raw.FreezeFile),
	}
	switch raw.Mode {
	case "":
	case "act":
		cfg.Claims.Mode = v1.AgentMode_AGENT_MODE_ACT
	case "observe":
		cfg.Claims.Mode = v1.AgentMode_AGENT_MODE_OBSERVE
	default:
		fs.add("mode", orNearest(raw.Mode, []string{"observe", "act"}, "use observe or act"), "there is no mode %q", raw.Mode)
	}
	if raw.TLS != nil {
		cfg.TLS = identity.Files{CA: under(raw.TLS.CA), Cert: under(raw.TLS.Cert), Key: under(raw.TLS.Key)}
		if cfg.TLS.IsZero() {
			fs.add("tls", "give `ca`, `cert` and `key`, or take `tls` out", "it names no file")
		}
	}
	for i, s := range raw.Services {
		path := fmt.Sprintf("services[%d]", i)
		claim := &v1.ServiceClaim{Name: s.Name, Driver: s.Driver, RestartGroup: s.RestartGroup}
		switch s.Data {
		case "":
		case "shared":
			claim.Data = v1.Data_DATA_SHARED
		case "local":
			claim.Data = v1.Data_DATA_LOCAL
		default:
			fs.add(path+".data", orNearest(s.Data, []string{"shared", "local"}, "use shared or local"), "%q says nothing of where data lives", s.Data)
		}
		for j, e := range s.Endpoints {
			endpoint := &v1.Endpoint{Host: e.Host, Port: e.Port, Path: e.Path}
			switch e.TLS {
			case "":
			case "none":
				endpoint.Tls = v1.Tls_TLS_NONE
			case "starttls":
				endpoint.Tls = v1.Tls_TLS_STARTTLS
			case "implicit":
				endpoint.Tls = v1.Tls_TLS_IMPLICIT
			default:
				fs.add(fmt.Sprintf("%s.endpoints[%d].tls", path, j), orNearest(e.TLS, []string{"none", "starttls", "implicit"}, "use none, starttls or implicit"), "%q is no way to speak TLS", e.TLS)
			}
			claim.Endpoints = append(claim.Endpoints, endpoint)
		}
		cfg.Claims.Services = append(cfg.Claims.Services, claim)
		if p := s.Process; p != nil {
			cfg.Process[s.Name] = process.Command{
				Argv: p.Argv, Env: p.Env, Prepare: p.Prepare, Drain: p.Drain, Undrain: p.Undrain,
				Active: p.Active, Stop: p.Stop, StopSignal: p.StopSignal, KillAfter: fs.duration(path+".process.kill_after", p.KillAfter),
				Adopt: p.Adopt.of(&fs, path+".process.adopt"),
			}
		}
		if e := s.Exec; e != nil {
			cfg.Exec[s.Name] = execdriver.Scripts{
				Start: e.Start, Stop: e.Stop, Status: e.Status, Drain: e.Drain, Undrain: e.Undrain, Sessions: e.Sessions,
				Env: e.Env, PassEnv: e.PassEnv,
				StartWithin:  fs.duration(path+".exec.start_within", e.StartWithin),
				StopWithin:   fs.duration(path+".exec.stop_within", e.StopWithin),
				AnswerWithin: fs.duration(path+".exec.answer_within", e.AnswerWithin),
			}
		}
	}
	raw.neverStop(&fs, cfg.Claims)
	return cfg, fs
}

// neverStop marks the services that the file names.
func (raw *file) neverStop(fs *Faults, claims *v1.NodeClaims) {
	var names []string
	for _, c := range claims.GetServices() {
		names = append(names, c.GetName())
	}
	for i, name := range raw.NeverStop {
		path := fmt.Sprintf("never_stop[%d]", i)
		at := slices.Index(names, name)
		switch {
		case at < 0:
			fs.add(path, orNearest(name, names, "name services of this file"), "there is no service %q in this file", name)
		case claims.GetServices()[at].GetNeverStop():
			fs.add(path, "keep one of the two", "service %s is there twice", name)
		default:
			claims.GetServices()[at].NeverStop = true
		}
	}
}

func (a *adoptFile) of(fs *Faults, path string) process.Adopt {
	if a == nil {
		return process.Adopt{}
	}
	if a.PIDFile == "" {
		fs.add(path, "give `pid_file`, where the daemon writes its pid, or take `adopt` out", "it names no file")
	}
	return process.Adopt{PIDFile: a.PIDFile}
}

// duration reads a time such as 10s; nothing is 0.
func (fs *Faults) duration(path, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		fs.add(path, "write it as 10s or 5m", "%q is no time", text)
	}
	return d
}

// deepest bounds how deep a file can nest before the library, which calls itself for
// each level, reads it: brackets, and marks of lists and keys within one line.
func deepest(src []byte) int {
	depth, deep := 0, 0
	for line := range bytes.Lines(src) {
		marks := 0
		for i, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			case '-', '?', ':':
				if i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\t') {
					marks++
				}
			}
			deep = max(deep, depth)
		}
		// A line of many keys in braces has many colons and is not deep.
		if depth == 0 && !bytes.ContainsAny(line, "[{\"'#") {
			deep = max(deep, marks)
		}
	}
	return deep
}

// indirection finds the first anchor, alias, merge or tag.
func indirection(root ast.Node) *token.Token {
	v := &indirections{}
	ast.Walk(v, root)
	return v.found
}

type indirections struct{ found *token.Token }

func (v *indirections) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType, ast.TagType:
		if v.found == nil {
			v.found = n.GetToken()
		}
		return nil
	}
	return v
}
