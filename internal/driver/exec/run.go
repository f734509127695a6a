package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/failpoint"
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

// A job is one run of a hook.
type job struct {
	hook
	op     driver.Op
	env    []string
	output string // path in ROUSE_OUTPUT; empty: none
	lock   *lock  // of a start or stop
}

// point is one at which a test can break the run.
func (j job) point(name string) error {
	if !failpoint.On {
		return nil
	}
	return failpoint.Hit(j.event + "." + name)
}

// prepare does what comes before every run: it gives a leftover its time and
// refuses a hook that has become unsafe. A start or a stop gets the lock.
func (d *Driver) prepare(ctx context.Context, h hook) (*lock, error) {
	if ctx.Err() != nil {
		return nil, h.failed(context.Cause(ctx))
	}
	held, err := d.settle(ctx)
	if err != nil {
		return nil, h.failed(err)
	}
	if !h.lasts {
		held.free()
	}
	if _, err := Inspect(h.argv[0]); err != nil {
		held.free()
		return nil, h.failed(err)
	}
	return held, nil
}

// errNoKeeper says that a hook was not started because it has no keeper.
var errNoKeeper = errors.New("there is no keeper")

// Warnings that come once.
const (
	noKeeper = "hooks run without a keeper; after a crash their results are lost"
	noForget = "result of an earlier hook cannot be removed"
)

// claimed is where one run writes to.
type claimed struct {
	file     *os.File
	readable bool
}

// execute runs the job until it ends, is ended, or is to be left alone.
func (d *Driver) execute(ctx context.Context, j job) (left, error) {
	defer j.lock.free()
	file, readable, err := d.output.claim(fmt.Sprintf("%s epoch %d", j.event, j.op.Epoch))
	if err != nil {
		return left{}, j.failed(err)
	}
	defer d.output.release(file)
	out := claimed{file, readable}
	if !j.lasts {
		return left{}, j.outcome(d.direct(ctx, j, out))
	}
	if err := j.point("hook-begin"); err != nil {
		return left{}, j.failed(err)
	}
	if err := d.forget(); err != nil {
		d.warnOnce(noForget, err)
	}
	got, err := d.keep(ctx, j, out)
	if errors.Is(err, errNoKeeper) {
		got, err = d.unkept(ctx, j, out, err)
	}
	return got, j.outcome(err)
}

// outcome says of an error that it is one of this hook.
func (h hook) outcome(err error) error {
	if err == nil {
		return nil
	}
	return h.failed(err)
}

// unkept runs a start or a stop as a process of ours: a target that cannot be
// stopped costs more than a result that a crash may lose.
func (d *Driver) unkept(ctx context.Context, j job, out claimed, why error) (left, error) {
	if d.keeper != "" {
		d.warnOnce(noKeeper, why)
	}
	if j.lock.dropped() {
		held, err := d.settle(ctx)
		if err != nil {
			return left{}, err
		}
		defer held.free()
		if err := d.forget(); err != nil { // that keeper's word
			d.warnOnce(noForget, err)
		}
	}
	if err := d.direct(ctx, j, out); err != nil {
		return left{}, err
	}
	if j.output == "" {
		return left{}, nil
	}
	return readLeft(j.output), nil
}

// warnOnce is for what will be so at each run.
func (d *Driver) warnOnce(msg string, err error) {
	if !d.said[msg] {
		d.said[msg] = true
		d.log.Warn(msg, "err", err)
	}
}

// newTail reads what the job is about to write.
func (d *Driver) newTail(j job, out claimed) tail {
	t := tail{log: d.log.With("hook", j.event), level: j.level}
	if out.readable {
		t.file, t.offset = out.file, sizeOf(out.file)
	}
	return t
}

// direct runs the job as a process of ours.
func (d *Driver) direct(ctx context.Context, j job, out claimed) error {
	p := &process{
		cmd: &osexec.Cmd{
			Path: j.argv[0], Args: j.argv, Env: j.env,
			Stdout: out.file, Stderr: out.file, SysProcAttr: ownGroup(),
		},
		hook: j.hook, grace: d.grace, ended: make(chan error, 1), tail: d.newTail(j, out),
	}
	if err := d.begin(ctx, p); err != nil {
		return err
	}
	d.tell(HookRun{Hook: j.event, PID: p.cmd.Process.Pid, Epoch: j.op.Epoch})
	p.over = func(err error) {
		d.tell(HookRun{Hook: j.event, PID: p.cmd.Process.Pid, Epoch: j.op.Epoch, Ended: true, Err: err})
	}
	d.reapers.Go(p.reap)
	if j.lasts {
		d.writeRecord(ctx, p, j.op)
	}
	err := p.follow(ctx)
	if j.lasts && p.gone {
		d.removeRecord()
	}
	if !j.lasts && errors.Is(err, driver.ErrDetach) {
		d.asked = p
	}
	return err
}

// begin starts the process. A hook that is being replaced is busy for a moment,
// and so is one that was just written while any other process was forked.
func (d *Driver) begin(ctx context.Context, p *process) error {
	for try := 1; ; try++ {
		if ctx.Err() != nil { // its keeper may have taken long to fail
			return context.Cause(ctx)
		}
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

// exited is how a process ended that did not succeed.
type exited struct {
	code   int    // 0 or less: a signal ended it
	text   string // in the words of [os.ProcessState]
	causes []error
}

// exitOf tells an exit from a failure to see it.
func exitOf(err error) (exited, error) {
	exit, ok := errors.AsType[*osexec.ExitError](err)
	if !ok {
		return exited{}, fmt.Errorf("waiting for it: %w", err)
	}
	return exited{code: exit.ExitCode(), text: exit.Error(), causes: []error{err}}, nil
}

// explain says how a hook ended that did not succeed.
func (e exited) explain(output string) error {
	text, causes := e.text, e.causes
	switch code := e.code; {
	case code == exitTemporary:
		text += " (" + driver.ErrTemporary.Error() + ")"
		causes = append(causes, driver.ErrTemporary)
	case code == 126:
		text += " (a command in it could not be run)"
	case code == 127:
		text += " (a command in it was not found; a hook gets PATH, HOME and what --hook-env or env: lists)"
	case code > 128 && code <= 128+64:
		text += fmt.Sprintf(" (a command in it was ended by signal %d)", code-128)
	}
	if output != "" {
		text += "; last output: " + output
	}
	return &failure{text: text, causes: causes}
}
