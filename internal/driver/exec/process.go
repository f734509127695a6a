package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	osexec "os/exec"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A process is one running hook. The goroutine of the operation owns it; reap
// alone waits for its end.
type process struct {
	cmd   *osexec.Cmd
	hook  hook
	grace time.Duration
	begun time.Time
	tail  tail
	over  func(error) // told of the end before anybody else
	ended chan error  // from reap, capacity 1
	gone  bool        // the hook's own process has ended
}

// reap waits for the process. It may outlive the operation, when the hook is left
// running or cannot be ended, and then keeps the hook from becoming a zombie.
func (p *process) reap() {
	err := p.cmd.Wait()
	p.over(err)
	p.ended <- err
}

// follow logs the output until the hook has ended by itself, or ctx ends: then it
// leaves the hook alone or ends it with its group. Nil means exit code 0.
func (p *process) follow(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	end := ending{pid: p.cmd.Process.Pid, grace: p.grace}
	stopped := ctx.Done()
	for {
		select {
		case err := <-p.ended:
			p.gone = true
			if end.begun() {
				continue // the tick looks after the rest of the group
			}
			p.tail.finish()
			if err == nil {
				return nil
			}
			exit, err := exitOf(err)
			if err != nil {
				return err
			}
			return exit.explain(p.tail.quote())
		case <-tick.C:
			p.tail.poll()
			if end.begun() && p.gone && !groupLives(end.pid) {
				return p.cutOff(ctx)
			}
		case <-stopped:
			if len(p.ended) > 0 {
				continue // it ended in time
			}
			if errors.Is(context.Cause(ctx), driver.ErrDetach) {
				return p.leave()
			}
			stopped = nil
			end.next()
		case <-end.due:
			if !end.next() || p.gone {
				return p.cutOff(ctx)
			}
		}
	}
}

// leave is for a rouse that ends. A hook that only asks something has nobody left
// to answer.
func (p *process) leave() error {
	p.tail.poll()
	if !p.hook.lasts {
		signalGroup(p.cmd.Process.Pid, terminate)
		return driver.ErrDetach
	}
	return fmt.Errorf("leaving it running: %w", driver.ErrDetach)
}

// cutOff is the error of a hook that ctx did not let finish.
func (p *process) cutOff(ctx context.Context) error {
	c := newCut(ctx, p.hook, p.begun)
	if !p.gone {
		c.stuck = p.cmd.Process.Pid
	}
	p.tail.finish()
	return c.explain(p.tail.quote())
}

// A cutoff is how a hook ended that was not let finish.
type cutoff struct {
	advice  string
	after   time.Duration
	limited bool // the time was up: after was the limit
	cause   error
	stuck   int // process that could not be ended
}

// newCut is for a ctx that has ended, or whose end somebody else has seen first.
func newCut(ctx context.Context, h hook, begun time.Time) cutoff {
	c := cutoff{advice: h.advice, after: time.Since(begun), cause: cmp.Or(context.Cause(ctx), context.DeadlineExceeded)}
	if deadline, ok := ctx.Deadline(); ok && errors.Is(cmp.Or(ctx.Err(), context.DeadlineExceeded), context.DeadlineExceeded) {
		c.after, c.limited = deadline.Sub(begun), true
	}
	return c
}

func (c cutoff) explain(output string) error {
	text := "was ended after " + roughly(c.after) + ": " + c.cause.Error()
	if c.limited {
		text = "did not finish within " + roughly(c.after)
	}
	if c.advice != "" {
		text += " (" + c.advice + ")"
	}
	if c.stuck != 0 {
		text += fmt.Sprintf("; process %d could not be ended", c.stuck)
	}
	if output != "" {
		text += "; last output: " + output
	}
	return &failure{text: text, causes: []error{c.cause}}
}

// roughly rounds d to two digits or so: 299.9996 s were meant to be 5 minutes.
func roughly(d time.Duration) string {
	unit := time.Millisecond
	for d > 100*unit && unit < time.Second {
		unit *= 10
	}
	return d.Round(unit).String()
}

// An ending takes a process group down in steps: SIGTERM, SIGKILL, given up.
type ending struct {
	pid   int
	grace time.Duration
	steps int
	due   <-chan time.Time // when the next step is to be taken
}

func (e *ending) begun() bool { return e.steps > 0 }

// next takes one step; false means that there is none left.
func (e *ending) next() bool {
	switch e.steps {
	case 0:
		signalGroup(e.pid, terminate)
	case 1:
		signalGroup(e.pid, kill)
	default:
		return false
	}
	e.steps++
	e.due = time.After(e.grace)
	return true
}
