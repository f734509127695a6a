package exec

import (
	"context"
	"errors"
	"fmt"
	osexec "os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

const (
	pollEvery  = 25 * time.Millisecond // how often output, groups and leftovers are looked at
	busyTries  = 5                     // how often a file that is being written is tried
	longestOwn = 256                   // bytes of our own facts in a log or an error
)

// healing are the reasons for which a system refuses to start a process, or to
// open a file, and which pass by themselves.
var healing = []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY}

// A failure is an error whose text does not repeat that of its causes.
type failure struct {
	text   string
	causes []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.causes }

// transient says whether err is such a reason.
func transient(err error) bool {
	return slices.ContainsFunc(healing, func(reason error) bool { return errors.Is(err, reason) })
}

// failed says that h did not do its work, and finds out whether it may soon.
func (h hook) failed(err error) error {
	err = fmt.Errorf("running %s hook %q: %w", h.event, h.argv[0], err)
	if transient(err) && !errors.Is(err, driver.ErrTemporary) {
		return fmt.Errorf("%w: %w", err, driver.ErrTemporary)
	}
	return err
}

// prepare does what comes before every run: it gives a leftover its time and
// refuses a hook that has become unsafe.
func (d *Driver) prepare(ctx context.Context, h hook) error {
	if ctx.Err() != nil {
		return h.failed(context.Cause(ctx))
	}
	if err := d.settle(ctx); err != nil {
		return h.failed(err)
	}
	if _, err := Inspect(h.argv[0]); err != nil {
		return h.failed(err)
	}
	return nil
}

// execute runs h until it ends, is ended, or is to be left alone.
func (d *Driver) execute(ctx context.Context, h hook, env []string, op driver.Op) error {
	file, readable, err := d.output.claim(fmt.Sprintf("%s epoch %d", h.event, op.Epoch))
	if err != nil {
		return h.failed(err)
	}
	defer d.output.release(file)
	p := &process{
		cmd: &osexec.Cmd{
			Path: h.argv[0], Args: h.argv, Env: env,
			Stdout: file, Stderr: file, SysProcAttr: ownGroup(),
		},
		hook: h, grace: d.grace, ended: make(chan error, 1),
		tail: tail{log: d.log.With("hook", h.event), level: h.level},
	}
	if readable {
		p.tail.file, p.tail.offset = file, sizeOf(file)
	}
	if err := d.begin(ctx, p); err != nil {
		return h.failed(err)
	}
	d.tell(HookRun{Hook: h.event, PID: p.cmd.Process.Pid, Epoch: op.Epoch})
	p.over = func(err error) {
		d.tell(HookRun{Hook: h.event, PID: p.cmd.Process.Pid, Epoch: op.Epoch, Ended: true, Err: err})
	}
	d.reapers.Go(p.reap)
	if h.lasts {
		d.writeRecord(ctx, p, op)
	}
	err = p.follow(ctx)
	if h.lasts && p.gone {
		d.removeRecord()
	}
	if err != nil {
		return h.failed(err)
	}
	return nil
}

// begin starts the process. A hook that is being replaced is busy for a moment,
// and so is one that was just written while any other process was forked.
func (d *Driver) begin(ctx context.Context, p *process) error {
	for try := 1; ; try++ {
		cmd := *p.cmd // a Cmd that failed to start cannot be started again
		p.begun = time.Now()
		err := d.launch(&cmd)
		if err == nil {
			p.cmd = &cmd
			return nil
		}
		if !errors.Is(err, syscall.ETXTBSY) || try == busyTries {
			return explainLaunch(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

// explainLaunch adds what a reader can do.
func explainLaunch(err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w (neither a script that begins with #! nor a program for this machine)", err)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("%w (the arguments and the environment are too long)", err)
	}
	return err
}

// explainExit says how a hook ended that did not succeed.
func explainExit(err error, output string) error {
	exit, ok := errors.AsType[*osexec.ExitError](err)
	if !ok {
		return fmt.Errorf("waiting for it: %w", err)
	}
	text, causes := exit.Error(), []error{err}
	switch code := exit.ExitCode(); {
	case code == exitTemporary:
		text += " (" + driver.ErrTemporary.Error() + ")"
		causes = append(causes, driver.ErrTemporary)
	case code == 126:
		text += " (a command in it could not be run)"
	case code == 127:
		text += " (a command in it was not found; a hook gets PATH, HOME and what --hook-env lists)"
	case code > 128 && code <= 128+64:
		text += fmt.Sprintf(" (a command in it was ended by signal %d)", code-128)
	}
	if output != "" {
		text += "; last output: " + output
	}
	return &failure{text: text, causes: causes}
}
