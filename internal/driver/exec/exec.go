package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	osexec "os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// Descriptors is how many free file descriptors one hook run may need.
const Descriptors = 8

const (
	defaultGrace = 5 * time.Second
	trimEvery    = 30 * time.Second
)

// Exit codes that mean more than "failed".
const (
	exitNo        = 1  // of a busy command, as of grep and pgrep
	exitStopped   = 3  // of a status hook, as of LSB init scripts
	exitTemporary = 75 // EX_TEMPFAIL of sysexits.h
)

// Options say which commands belong to a target. A command is a path and its
// arguments; the path is a file, never looked up in PATH, and is made absolute
// by [New].
type Options struct {
	Target string   // name of the target; must not be empty
	Start  []string // asks the target to start and returns
	Stop   []string // asks the target to stop and returns
	Status []string // says whether the target runs; may be empty
	Ready  []string // says whether the target serves; may be empty
	Busy   []string // says whether the target is busy although no client is there; may be empty
	Dir    string   // folder for output and records: exists, mode 0700, one rouse at a time
	Stem   string   // of the names of the files in Dir; unique to the target and safe for the file system

	// Env adds to the environment of every hook: "NAME" passes our own variable
	// through if it is set, "NAME=value" sets one. A later entry wins over an
	// earlier one and over PATH and HOME. Names that begin with ROUSE_ are refused.
	Env []string

	// Grace is the time between SIGTERM and SIGKILL; zero or less means 5 s.
	Grace time.Duration

	// Told, if not nil, hears of each process of a hook when it has begun and when it has
	// ended, on whichever goroutine saw it. It must be quick.
	Told func(HookRun)

	// Logger must not carry the attribute "target" yet. Nil means no logging.
	Logger *slog.Logger
}

// A Driver runs the hooks of one target, one at a time: calls of Start, Stop, Ready
// and of the reporter's Report that overlap wait for each other. Run runs beside them.
//
// A Driver itself is no [driver.Reporter]; see [Driver.Driver].
type Driver struct {
	target               string
	start, stop          hook
	status, ready, busy  hook
	env                  []string // what Options.Env adds, resolved
	grace                time.Duration
	told                 func(HookRun)
	log                  *slog.Logger
	output               output
	reapers              sync.WaitGroup // one per process that has not ended yet
	turn                 chan struct{}  // holds one token: whoever has it runs a hook
	launch               func(*osexec.Cmd) error
	keeper               string // the program that keeps hooks; empty: they run without
	recordPath, resultAt string
	lockPath             string
	outcomePath          string
	asked                *process        // a question that was told to end; whoever has the turn owns it
	said                 map[string]bool // warnings that come once; whoever has the turn owns it
}

var (
	_ driver.Driver  = (*Driver)(nil)
	_ driver.Resumer = (*Driver)(nil)
)

// reporting is a Driver whose target has a status hook.
type reporting struct{ *Driver }

var (
	_ driver.Reporter = reporting{}
	_ driver.Resumer  = reporting{}
)

// A hook is one command and how rouse treats it.
type hook struct {
	event  string   // ROUSE_EVENT
	argv   []string // argv[0] is absolute
	level  slog.Level
	lasts  bool // acts on the target: leaves a record, and outlives a detach
	advice string
}

// New checks the options and inspects every hook. Its error lists everything that
// is wrong. It starts nothing.
func New(o Options) (*Driver, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding the state folder: %w", err)
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	base := filepath.Join(dir, o.Stem)
	d := &Driver{
		target: o.Target, log: log.With("target", o.Target), grace: o.Grace, told: o.Told,
		turn: make(chan struct{}, 1), launch: (*osexec.Cmd).Start, recordPath: base + ".hook", resultAt: base + ".output",
		lockPath: base + ".lock", outcomePath: base + ".result", said: map[string]bool{},
	}
	if d.grace <= 0 {
		d.grace = defaultGrace
	}
	d.output = output{path: base + ".log", open: openOutput, openMemory: openMemory, log: d.log}
	if o.Target == "" {
		err = errors.New("a target needs a name")
	}
	if o.Dir == "" || o.Stem == "" {
		err = errors.Join(err, errors.New("hooks need a state folder and a stem for their files"))
	}
	env, envErr := resolveEnv(o.Env)
	d.env = env
	if err := errors.Join(err, envErr, d.setHooks(o)); err != nil {
		return nil, err
	}
	if d.keeper, err = keeperPath(); err != nil {
		d.log.Warn(noKeeper, "err", err)
	}
	return d, nil
}

// setHooks fills in the hooks and inspects those that are there.
func (d *Driver) setHooks(o Options) error {
	d.start = hook{
		event: "start", argv: o.Start, level: slog.LevelInfo, lasts: true,
		advice: "a hook must return: put the server in the background, or allow the start more time",
	}
	d.stop = hook{
		event: "stop", argv: o.Stop, level: slog.LevelInfo, lasts: true,
		advice: "a hook must return once the stop is asked for, or the stop be allowed more time",
	}
	d.status = hook{event: "status", argv: o.Status, level: slog.LevelDebug}
	d.ready = hook{event: "probe", argv: o.Ready, level: slog.LevelDebug}
	d.busy = hook{event: "busy", argv: o.Busy, level: slog.LevelDebug}
	return errors.Join(
		d.check(&d.start, true), d.check(&d.stop, true),
		d.check(&d.status, false), d.check(&d.ready, false), d.check(&d.busy, false))
}

// check inspects one hook, makes its path absolute and logs what is doubtful.
func (d *Driver) check(h *hook, needed bool) error {
	if len(h.argv) == 0 {
		if needed {
			return fmt.Errorf("there is no %s hook", h.event)
		}
		return nil
	}
	warnings, err := Inspect(h.argv[0])
	if err != nil {
		return fmt.Errorf("checking %s hook: %w", h.event, err)
	}
	for _, w := range warnings {
		d.log.Warn("hook permissions are doubtful", "hook", h.event, "why", w)
	}
	path, err := filepath.Abs(h.argv[0])
	if err != nil {
		return fmt.Errorf("checking %s hook: %w", h.event, err)
	}
	h.argv = append([]string{path}, h.argv[1:]...)
	return nil
}

// Driver returns d as the target sees it: also a [driver.Reporter] if, and only
// if, there is a status hook.
func (d *Driver) Driver() driver.Driver {
	if len(d.status.argv) > 0 {
		return reporting{d}
	}
	return d
}

// Start runs the start hook. The address is what the hook left in ROUSE_OUTPUT:
// HOST or HOST:PORT, where a lone IPv6 address has no brackets; empty if it left
// none.
func (d *Driver) Start(ctx context.Context, op driver.Op) (string, error) {
	if err := d.take(ctx, d.start); err != nil {
		return "", err
	}
	defer d.give()
	held, err := d.prepare(ctx, d.start)
	if err != nil {
		return "", err
	}
	path := d.newResult()
	got, err := d.execute(ctx, job{hook: d.start, op: op, env: d.environ(d.start, op, path), output: path, lock: held})
	if errors.Is(err, driver.ErrDetach) {
		return "", err // the hook still runs and may write its result
	}
	removeResult(path)
	if err != nil {
		return "", err
	}
	return d.address(got)
}

// address is what a start hook left that succeeded.
func (d *Driver) address(got left) (string, error) {
	if got.Bad != "" {
		return "", fmt.Errorf("reading what start hook %q left in ROUSE_OUTPUT: %s", d.start.argv[0], got.Bad)
	}
	if len(got.Unknown) > 0 {
		d.log.Warn("hook left unknown keys in ROUSE_OUTPUT", "hook", d.start.event, "keys", got.Unknown)
	}
	return got.Address, nil
}

// Stop runs the stop hook.
func (d *Driver) Stop(ctx context.Context, op driver.Op) error {
	return d.run(ctx, d.stop, op)
}

// Ready runs the readiness command; nil means that the target serves. Without a
// readiness command it is an error.
func (d *Driver) Ready(ctx context.Context, op driver.Op) error {
	if len(d.ready.argv) == 0 {
		return errors.New("there is no readiness command")
	}
	return d.run(ctx, d.ready, op)
}

// Busy runs the command that says whether the target is busy. The error says that nobody can tell.
func (d *Driver) Busy(ctx context.Context, op driver.Op) (bool, error) {
	if len(d.busy.argv) == 0 {
		return false, errors.New("there is no busy command")
	}
	err := d.run(ctx, d.busy, op)
	if exit, ok := errors.AsType[*osexec.ExitError](err); ok {
		switch exit.ExitCode() {
		case exitNo, exitStopped:
			return false, nil
		}
		err = fmt.Errorf("%w (a busy command exits 0 for busy, and %d or %d for not busy)", err, exitNo, exitStopped)
	}
	return err == nil, err
}

// Report runs the status hook.
func (r reporting) Report(ctx context.Context, op driver.Op) (bool, error) {
	err := r.run(ctx, r.status, op)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, driver.ErrTemporary) || errors.Is(err, driver.ErrDetach) {
		return false, err
	}
	if exit, ok := errors.AsType[*osexec.ExitError](err); ok {
		if exit.ExitCode() == exitStopped {
			return false, nil
		}
		err = fmt.Errorf("%w (a status hook exits 0 for running and %d for stopped)", err, exitStopped)
	}
	return false, err
}

func (d *Driver) run(ctx context.Context, h hook, op driver.Op) error {
	if err := d.take(ctx, h); err != nil {
		return err
	}
	defer d.give()
	held, err := d.prepare(ctx, h)
	if err != nil {
		return err
	}
	_, err = d.execute(ctx, job{hook: h, op: op, env: d.environ(h, op, ""), lock: held})
	return err
}

// take waits for the hook before this one, which may be a probe or a report.
func (d *Driver) take(ctx context.Context, h hook) error {
	select {
	case d.turn <- struct{}{}:
		d.hush()
		return nil
	case <-ctx.Done():
		return h.failed(fmt.Errorf("waiting for the hook before it: %w", context.Cause(ctx)))
	}
}

func (d *Driver) give() { <-d.turn }

// hush sees to it that a question which was told to end has ended, before the next hook
// runs. Whoever asked did not wait: the target had answered, say.
func (d *Driver) hush() {
	p := d.asked
	if d.asked = nil; p == nil {
		return
	}
	for range 2 {
		select {
		case <-p.ended:
			return
		case <-time.After(p.grace):
			signalGroup(p.cmd.Process.Pid, kill)
		}
	}
}

// Run keeps the output file small until ctx ends: a daemon that a hook left
// behind may write to it for weeks.
func (d *Driver) Run(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.output.trim()
		}
	}
}
