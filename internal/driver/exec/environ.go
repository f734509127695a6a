package exec

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rouse-proxy/rouse/internal/driver"
)

const (
	reserved    = "ROUSE_"
	longestFact = 1 << 10 // bytes of a value that we put into a hook's environment
)

// resolveEnv turns Options.Env into NAME=value. Values stay out of its errors:
// they may be secret.
func resolveEnv(list []string) (env []string, err error) {
	for _, entry := range list {
		name, value, set := strings.Cut(entry, "=")
		switch {
		case !validName(name):
			err = errors.Join(err, fmt.Errorf("environment entry %q: a name is letters, digits and _, not beginning with a digit", name))
			continue
		case strings.HasPrefix(name, reserved):
			err = errors.Join(err, fmt.Errorf("environment entry %q: names that begin with %s belong to rouse", name, reserved))
			continue
		case strings.ContainsRune(value, 0):
			err = errors.Join(err, fmt.Errorf("environment entry %q: the value holds a NUL", name))
			continue
		}
		if !set {
			if value, set = os.LookupEnv(name); !set {
				continue
			}
		}
		env = append(env, name+"="+value)
	}
	return env, err
}

// validName says whether s is a name as of POSIX.1-2017, section 3.235.
func validName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// A Command is how a hook is run, for people to read.
type Command struct {
	Argv []string
	Env  []string // entries of Options.Env are there without their values, which may be secret
}

// Command returns how the hook of an event would be run; false if there is none.
func (d *Driver) Command(event string, op driver.Op) (Command, bool) {
	for _, h := range []hook{d.start, d.stop, d.status, d.ready, d.busy} {
		if h.event != event || len(h.argv) == 0 {
			continue
		}
		output := ""
		if event == d.start.event {
			output = "(a file of its own)"
		}
		shown := &Driver{target: d.target}
		for _, entry := range d.env {
			name, _, _ := strings.Cut(entry, "=")
			shown.env = append(shown.env, name+"=(not shown)")
		}
		return Command{Argv: h.argv, Env: shown.environ(h, op, output)}, true
	}
	return Command{}, false
}

// environ is the whole environment of one run. The later of two equal names wins
// (os/exec), so rouse's own names stand last.
func (d *Driver) environ(h hook, op driver.Op, result string) []string {
	env := make([]string, 0, 8+len(d.env))
	for _, name := range []string{"PATH", "HOME"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, d.env...)
	facts := []struct{ name, value string }{
		{"EVENT", h.event},
		{"TARGET", d.target},
		{"ADDRESS", op.Address},
		{"EPOCH", strconv.FormatUint(op.Epoch, 10)},
		{"REASON", op.Reason},
	}
	for _, f := range facts {
		env = append(env, reserved+f.name+"="+sanitize([]byte(f.value), longestFact))
	}
	if result != "" {
		env = append(env, reserved+"OUTPUT="+result)
	}
	return env
}
