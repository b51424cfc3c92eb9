package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
)

// checkPrograms finds the programs of commands and scripts: one that is not
// there is told now, rather than by the first drain that needs it. look is
// exec.LookPath; tests bring another.
func (c Config) checkPrograms(fs *Faults, look func(string) (string, error)) {
	for i, s := range c.Claims.GetServices() {
		if s.GetDriver() == DriverExec {
			c.checkScripts(fs, i, look)
		}
		if s.GetDriver() != DriverProcess {
			continue
		}
		p := c.Process[s.GetName()]
		path := fmt.Sprintf("services[%d].process.", i)
		for _, one := range []struct {
			key  string
			argv []string
		}{{"argv", p.Argv}, {"drain", p.Drain}, {"undrain", p.Undrain}, {"active", p.Active}, {"stop", p.Stop}} {
			fs.program(path+one.key+"[0]", one.argv, look)
		}
		for j, argv := range p.Prepare {
			fs.program(fmt.Sprintf("%sprepare[%d][0]", path, j), argv, look)
		}
	}
}

func (c Config) checkScripts(fs *Faults, i int, look func(string) (string, error)) {
	e := c.Exec[c.Claims.GetServices()[i].GetName()]
	for _, one := range []struct {
		key  string
		argv []string
	}{{"start", e.Start}, {"stop", e.Stop}, {"status", e.Status}, {"drain", e.Drain}, {"undrain", e.Undrain}, {"sessions", e.Sessions}} {
		fs.program(fmt.Sprintf("services[%d].exec.%s[0]", i, one.key), one.argv, look)
	}
}

func (fs *Faults) program(path string, argv []string, look func(string) (string, error)) {
	if len(argv) == 0 || argv[0] == "" {
		return // told already, or optional
	}
	name := argv[0]
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		fs.add(path, "write its whole path, or its name alone to have it found in PATH", "%s is a relative path, and commands run in a folder of the agent's", name)
		return
	}
	if _, err := look(name); err != nil {
		fs.add(path, "correct the path, or install the program on this host", "%s cannot be run: %s", name, whyNot(err))
	}
}

// whyNot is what keeps a program from being run, without its name.
func whyNot(err error) string {
	var e *exec.Error
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "it is not in PATH"
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "it is not an executable file"
	case errors.As(err, &e):
		return e.Err.Error()
	}
	return err.Error()
}
