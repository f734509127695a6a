//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/failpoint"
)

// selfPath is the program that this process runs, also when its file has been
// replaced since. The kernel looks the link up in the process that is to become
// the keeper.
const selfPath = "/proc/self/exe"

// keeperEnv is the whole environment of a keeper, which lives on the one processor
// and the little memory that it needs; the hook gets its own.
var keeperEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GORACE=atexit_sleep_ms=0"}

// keeperPath returns the program to run as a keeper; empty if this one cannot be.
func keeperPath() (string, error) {
	if !dispatched.Load() {
		return "", nil
	}
	if _, err := os.Stat(selfPath); err == nil {
		return selfPath, nil
	}
	return os.Executable()
}

// A kept is a running keeper, as rouse sees it. The goroutine of the operation owns
// it; hear alone waits for its end.
type kept struct {
	job
	cmd     *osexec.Cmd
	control *os.File
	said    chan message // from hear, which closes it when the keeper has ended
	died    error        // how the keeper ended; to be read once said is closed
	pid     int          // of the hook; 0: the keeper has not said it
	process record       // of the hook, in case the keeper cannot write it down
	tail    tail
	begun   time.Time
}

// hear takes what the keeper says until it ends. Its few messages fit into the
// channel, so it may outlive the operation, and keeps the keeper from becoming a zombie.
func (k *kept) hear() {
	defer close(k.said)
	in := json.NewDecoder(k.control)
	for range cap(k.said) {
		var m message
		if in.Decode(&m) != nil {
			break
		}
		k.said <- m
	}
	k.control.Close()
	k.died = k.cmd.Wait()
}

// keep runs the job under a keeper. [errNoKeeper] says that nothing was started and
// that there is no use in another keeper.
func (d *Driver) keep(ctx context.Context, j job, out claimed) (left, error) {
	if d.keeper == "" {
		return left{}, errNoKeeper
	}
	k := &kept{job: j, said: make(chan message, 16), tail: d.newTail(j, out), begun: time.Now()}
	if err := d.raise(k, out.file); err != nil {
		return left{}, err
	}
	d.reapers.Go(k.hear)
	if err := k.point("keeper-begun"); err != nil {
		k.abandon()
		return left{}, err
	}
	if err := k.ready(ctx); err != nil {
		return left{}, err
	}
	if err := k.point("keeper-ready"); err != nil {
		k.abandon()
		return left{}, err
	}
	if err := k.instruct(ctx, d); err != nil {
		return left{}, err
	}
	if err := k.point("keeper-told"); err != nil {
		_ = k.tell(order{Cause: err.Error()})
	}
	return d.attend(ctx, k)
}

// raise starts the keeper.
func (d *Driver) raise(k *kept, out *os.File) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	k.control = ours
	k.cmd = &osexec.Cmd{
		Path: d.keeper, Args: []string{os.Args[0], keeperWord, d.target, k.event}, Env: append(keeperEnv, failpoint.Env()...),
		Stdin: theirs, Stdout: out, Stderr: out, SysProcAttr: ownGroup(),
	}
	if k.lock != nil {
		k.cmd.ExtraFiles = []*os.File{k.lock.file}
	}
	if err := d.launch(k.cmd); err != nil {
		ours.Close()
		if transient(err) {
			return fmt.Errorf("starting its keeper: %w", err)
		}
		return fmt.Errorf("%w: %w", errNoKeeper, err)
	}
	return nil
}

// socketPair is closed towards every process that is started meanwhile.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		_, _ = syscall.Close(fds[0]), syscall.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), "keeper"), os.NewFile(uintptr(fds[1]), "rouse"), nil
}

// ready waits until the keeper asks for the plan. Without one it starts nothing, so
// that it can be killed.
func (k *kept) ready(ctx context.Context) error {
	ready := false
	select {
	case m := <-k.said:
		ready = m.Ready == planFormat
	case <-ctx.Done():
	}
	if ready && ctx.Err() == nil {
		return nil
	}
	k.abandon()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: it ended at once, or is of another rouse: %v", errNoKeeper, k.died)
}

// abandon ends a keeper that has no plan.
func (k *kept) abandon() {
	_ = k.cmd.Process.Kill()
	for range k.said { // until hear has waited for it
	}
}

// instruct sends the plan. From its last byte on the keeper alone has the lock.
func (k *kept) instruct(ctx context.Context, d *Driver) error {
	p := plan{
		Event: k.event, Epoch: k.op.Epoch, Argv: converted[raw](k.argv), Env: converted[raw](k.env), Grace: d.grace, LogAt: k.tail.offset,
		Record: raw(d.recordPath), Outcome: raw(d.outcomePath), Result: raw(k.output), Locked: k.lock != nil,
	}
	p.Logged = k.tail.file != nil && k.tail.file != d.output.memory
	if deadline, limited := ctx.Deadline(); limited {
		p.Deadline, p.Left = deadline, max(0, time.Until(deadline))
	}
	k.lock.drop()
	if err := k.tell(p); err != nil {
		k.abandon() // it may have the whole plan
		_, err := d.unheard(ctx, k)
		return err
	}
	return nil
}

// tell sends v to the keeper, which may have been stopped and read nothing.
func (k *kept) tell(v any) error {
	if err := k.control.SetWriteDeadline(time.Now().Add(tellWithin)); err != nil {
		return err
	}
	return json.NewEncoder(k.control).Encode(v)
}

const (
	tellWithin = 10 * time.Second // how long a keeper may take to read a plan that is larger than its socket's buffer
	deafAfter  = time.Second      // how much longer than a hook's end takes a keeper may be silent
)

// attend logs the output until the keeper has told how the hook ended, or ctx ends:
// then it leaves both alone or has the hook ended.
func (d *Driver) attend(ctx context.Context, k *kept) (left, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	stopped := ctx.Done()
	var force ending // of a hook whose keeper does not hear
	for {
		select {
		case m, ok := <-k.said:
			switch {
			case !ok:
				return d.unheard(ctx, k)
			case m.Outcome != nil:
				k.tail.poll()
				d.tellOutcome(*m.Outcome, k.tail.quote())
				k.gone()
				if err := k.point("hook-ended"); err != nil {
					return left{}, err
				}
				return k.end(ctx, *m.Outcome)
			case m.Stuck:
				return left{}, k.cutOff(ctx, k.pid)
			case m.PID != 0:
				k.pid = m.PID
				k.process = recordOf(ctx, k.job, m.PID, k.begun)
				d.tell(HookRun{Hook: k.event, PID: k.pid, Epoch: k.op.Epoch})
				if err := k.point("hook-begun"); err != nil {
					_ = k.tell(order{Cause: err.Error()})
				}
			case m.Warning != "":
				d.log.Warn(m.Warning, "hook", k.event, "err", m.Err)
			}
		case <-tick.C:
			k.tail.poll()
		case <-stopped:
			if errors.Is(context.Cause(ctx), driver.ErrDetach) {
				k.tail.poll()
				return left{}, fmt.Errorf("leaving it running: %w", driver.ErrDetach)
			}
			stopped = nil
			force = ending{grace: d.grace, due: time.After(2*d.grace + deafAfter)}
			_ = k.tell(order{Cause: context.Cause(ctx).Error()})
		case <-force.due:
			if r, err := d.readRecord(); err == nil && r.PID == k.pid && r.runs() {
				force.pid = r.PID
			}
			if force.pid == 0 || !force.next() {
				_ = k.cmd.Process.Kill()
				force.due = nil
			}
		}
	}
}

// gone waits until the keeper has ended that has nothing left to do, so that the
// next run does not need its descriptors on top of ours.
func (k *kept) gone() {
	limit := time.After(time.Second) // it may have been stopped just now
	for {
		select {
		case _, ok := <-k.said:
			if !ok {
				return
			}
		case <-limit:
			return
		}
	}
}

// end makes the outcome of the hook that of the operation.
func (k *kept) end(ctx context.Context, o outcome) (left, error) {
	k.tail.finish()
	if o.Cut != "" && ctx.Err() != nil {
		return left{}, k.cutOff(ctx, 0)
	}
	if errno := syscall.Errno(o.Errno); errno == syscall.EAGAIN || errno == syscall.ENOMEM {
		return left{}, fmt.Errorf("%w that could start it: %w", errNoKeeper, errno) // without one it may fit
	}
	return o.Left, o.err(k.hook, k.tail.quote())
}

// cutOff is the error of a hook that ctx did not let finish.
func (k *kept) cutOff(ctx context.Context, stuck int) error {
	c := newCut(ctx, k.hook, k.begun)
	c.stuck = stuck
	k.tail.finish()
	return c.explain(k.tail.quote())
}

// unheard is for a keeper that ended and did not say how its hook did. It may have
// written it. If not, the hook may live on.
func (d *Driver) unheard(ctx context.Context, k *kept) (left, error) {
	d.log.Warn("the keeper of a hook was ended", "hook", k.event, "err", k.died)
	held, err := d.settle(ctx)
	if err != nil {
		return left{}, err
	}
	if k.process.runs() { // it could not be written down, say on a full disk
		if err := d.outlast(ctx, k.process); err != nil {
			held.free()
			return left{}, err
		}
	}
	o, err := d.readOutcome()
	held.free()
	switch {
	case err == nil && o.PID != 0 && o.PID == k.pid && o.Event == k.event:
		return k.end(ctx, o)
	case ctx.Err() != nil:
		return left{}, k.cutOff(ctx, 0)
	}
	k.tail.finish()
	return left{}, fmt.Errorf("its keeper was ended, so how the hook ended is not known: %w", driver.ErrTemporary)
}
