//go:build failpoint

package failpoint

import (
	"fmt"
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
	logVariable  = "ROUSE_FAILPOINT_LOG"
)

// plan is what the environment asks for.
type plan struct {
	name, action string
	at           int64
	hits         atomic.Int64
	log          *os.File
}

var current = read(os.Getenv(planVariable), os.Getenv(logVariable))

// read understands the two variables; a mistake in them ends the process, for no
// test may pass because its fault never came.
func read(what, log string) *plan {
	p := &plan{at: 1}
	if what != "" {
		var ok bool
		p.name, p.action, ok = strings.Cut(what, "=")
		action, n, counted := strings.Cut(p.action, "@")
		if p.action = action; counted {
			p.at, _ = strconv.ParseInt(n, 10, 64)
		}
		if !ok || p.at < 1 || action != "kill" && action != "error" && action != "delay" {
			fail(fmt.Errorf("ROUSE_FAILPOINT=%q is not NAME=kill|error|delay[@N]", what))
		}
	}
	if log != "" {
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
	return []string{planVariable + "=" + os.Getenv(planVariable), logVariable + "=" + os.Getenv(logVariable)}
}

// Hit is a point that can fail.
func Hit(name string) error {
	if current.log != nil {
		fmt.Fprintln(current.log, name)
	}
	if name != current.name || current.hits.Add(1) != current.at {
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
