//go:build failpoint

package failpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// On says whether points do anything in this build: where a name must be composed, ask it first.
const On = true

const (
	delay        = 2 * time.Second
	planVariable = "ROUSE_FAILPOINT"
	onceVariable = "ROUSE_FAILPOINT_ONCE"
	logVariable  = "ROUSE_FAILPOINT_LOG"
)

// plan is what the environment asks for.
type plan struct {
	name, action string
	at           int64
	once         string // path; empty: each process by itself
	hits         atomic.Int64
	log          *os.File
}

var current = read(os.Getenv(planVariable))

// read understands the environment; a mistake in it ends the process, for no test may pass because its fault never came.
func read(what string) *plan {
	p := &plan{at: 1, once: os.Getenv(onceVariable)}
	if what != "" {
		name, rest, ok := strings.Cut(what, "=")
		action, n, counted := strings.Cut(rest, "@")
		if p.name, p.action = name, action; counted {
			p.at, _ = strconv.ParseInt(n, 10, 64)
		}
		if !ok || p.at < 1 || action != "kill" && action != "error" && action != "delay" {
			fail(fmt.Errorf("%s=%q is not NAME=kill|error|delay[@N]", planVariable, what))
		}
	}
	if log := os.Getenv(logVariable); log != "" {
		file, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			fail(err)
		}
		p.log = file
	}
	return p
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "failpoint:", err)
	os.Exit(2)
}

// Env is what a child needs in its environment to have the same plan.
func Env() []string {
	var env []string
	for _, name := range []string{planVariable, onceVariable, logVariable} {
		env = append(env, name+"="+os.Getenv(name))
	}
	return env
}

// due says whether it is to happen now.
func (p *plan) due(name string) bool {
	if name != p.name || p.hits.Add(1) != p.at {
		return false
	}
	if p.once == "" {
		return true
	}
	file, err := os.OpenFile(p.once, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		fail(err)
	}
	return err == nil && file.Close() == nil
}

// Hit is a point that can fail.
func Hit(name string) error {
	if current.log != nil {
		fmt.Fprintln(current.log, name)
	}
	if !current.due(name) {
		return nil
	}
	switch current.action {
	case "kill":
		killSelf()
	case "delay":
		time.Sleep(delay)
	case "error":
		return fmt.Errorf("%w: %s", ErrInjected, name)
	}
	return nil
}

// Pass is a point at which nothing can fail but the program itself.
func Pass(name string) {
	if err := Hit(name); err != nil {
		panic(err)
	}
}
