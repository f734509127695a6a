package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/failpoint"
	"github.com/rouse-proxy/rouse/internal/probe"
)

const (
	saveTimeout   = 5 * time.Second  // how long a start waits for a slow disk
	reportTimeout = 30 * time.Second // for one report of the driver
	bootBeat      = 3 * time.Second  // between two reports while a target boots; it grows
	bootGap       = 15 * time.Second // for which a booting target may be missing
)

// errDied is why a start has failed although its time is not over.
var errDied = errors.New("it ran, but its driver says that it runs no more: it died while it booted")

// errUntold is why a start that a dead rouse began is neither carried on nor failed.
var errUntold = errors.New("nobody knows how it went")

// job is one operation on a target. It has a copy of all it needs: it runs beside
// the supervisor and shares nothing with it.
type job struct {
	*Options // a copy of its own

	op       operation
	resume   bool // a dead rouse began it: what its action has come to is asked before it is begun again
	mayRun   bool
	lost     bool // starts tell the address, and this run's was not told: whoever answers at the one in call may be a stranger
	call     driver.Op
	visitors <-chan struct{} // closes when all have gone who were served without being counted; nil: there are none
	saved    <-chan struct{} // closes when the record of what is begun is on disk; nil: it is
	doubt    func(uint64, error)
}

// result is how an operation ended.
type result struct {
	op      operation
	found   finding  // of a check
	conn    net.Conn // proved the target ready
	address string   // learnt by a start
	untold  bool     // of a start that was taken up: nobody knows how it went
	err     error    // of a check: it could not tell
}

func (f finding) String() string {
	return [...]string{"it up", "it down", "it running but not ready", "that nobody can tell"}[f]
}

// operate runs the job within its time. ctx ends when rouse does.
func (j *job) operate(ctx context.Context) (res result) {
	defer j.contain(&res)
	j.awaitVisitors(ctx)
	j.awaitSave(ctx)
	j.saveBudget(ctx)
	res = result{found: foundUnclear, err: j.mark("begin")}
	switch {
	case res.err != nil: // a test wants it so
	case j.op == opCheck:
		res = j.check(ctx)
	case j.op == opStart:
		res = j.start(ctx)
	case j.op == opStop:
		res.err = j.stop(ctx)
	}
	res.op, res.err = j.op, cmp.Or(res.err, j.mark("end"))
	return res
}

// mark is a point before or after what an operation does.
func (j *job) mark(when string) error {
	if !failpoint.On {
		return nil
	}
	return failpoint.Hit(j.op.String() + "." + when)
}

// check asks the driver, where it can report, and the target itself. Silence means
// what the driver says, or else what the record says.
func (j *job) check(ctx context.Context) result {
	silence, reportErr := foundDown, error(nil)
	if j.mayRun {
		silence = foundUnclear
	}
	if reporter, ok := j.Driver.(driver.Reporter); ok {
		running, err := j.report(ctx, reporter)
		switch {
		case err != nil:
			silence, reportErr = foundUnclear, fmt.Errorf("asking whether target %q runs: %w", j.Name, err)
		case running:
			silence = foundSilent
		default:
			return result{found: foundDown}
		}
	}
	if j.lost {
		return result{found: silence, err: reportErr}
	}
	conn, err := j.Prober.Once(ctx, j.call.Address)
	switch {
	case err == nil:
		return result{found: foundUp, conn: conn}
	case errors.Is(err, probe.ErrAnswers):
		return result{found: foundSilent}
	case silence == foundDown && errors.Is(err, probe.ErrCannotAsk):
		return result{found: foundUnclear, err: err}
	default:
		return result{found: silence, err: reportErr}
	}
}

func (j *job) report(ctx context.Context, reporter driver.Reporter) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, min(reportTimeout, j.StopTimeout))
	defer cancel()
	return reporter.Report(ctx, j.call)
}

// start asks the driver, then the target. "This may run" is on disk.
func (j *job) start(ctx context.Context) result {
	timed, cancel := context.WithTimeout(ctx, j.StartTimeout)
	defer cancel()
	address, err := j.startAction(timed)
	switch {
	case errors.Is(err, errUntold):
		return result{untold: true}
	case err != nil:
		return j.startedAnyway(ctx, fmt.Errorf("starting target %q: %w", j.Name, err))
	}
	if address = driver.WithPort(address, j.Options.Address); address != "" {
		j.call.Address = address
	}
	conn, err := j.awaitReady(timed)
	switch {
	case errors.Is(err, errDied):
		err = fmt.Errorf("starting target %q: %w", j.Name, err)
	case err != nil:
		err = fmt.Errorf("starting target %q: the start was carried out, but nobody answered at %s within %v: %w",
			j.Name, j.call.Address, j.StartTimeout, err)
	}
	return result{conn: conn, address: address, err: err}
}

// startAction runs the driver's action, or learns how the one ended that a dead rouse began. That one is not begun
// again here: whether anybody still wants the target is for the machine to say.
func (j *job) startAction(ctx context.Context) (address string, err error) {
	if !j.resume {
		return retry(ctx, j, "start", j.Driver.Start)
	}
	past, err := j.past(ctx, "start")
	switch {
	case err != nil:
		return "", err
	case past == nil || errors.Is(past.Err, driver.ErrTemporary):
		return "", errUntold
	}
	return past.Address, past.Err
}

// past is what has become of the action that a dead rouse began; nil: there is no trace of it.
func (j *job) past(ctx context.Context, action string) (*driver.Outcome, error) {
	resumer, ok := j.Driver.(driver.Resumer)
	if !ok {
		return nil, nil
	}
	past, err := resumer.Resume(ctx, j.call)
	if err != nil {
		return nil, fmt.Errorf("waiting for what the last rouse began: %w", err)
	}
	if past.Action != action {
		return nil, nil
	}
	log := j.Logger
	if past.Err != nil {
		log = log.With("err", past.Err)
	}
	log.Info("taking up what the last rouse began", "target", j.Name, "operation", action, "epoch", j.call.Epoch)
	return &past, nil
}

// awaitReady asks the target until it answers, or until its driver, where it can
// report, says that it ran and runs no more: then nobody waits for the timeout.
func (j *job) awaitReady(ctx context.Context) (net.Conn, error) {
	booting, died := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer died(driver.ErrDetach) // a report that is under way is not waited for
	if reporter, ok := j.Driver.(driver.Reporter); ok {
		watch.Go(func() {
			defer j.contain(&result{}) // then the probe alone decides
			j.watchBoot(booting, reporter, died)
		})
	}
	conn, err := j.Prober.Wait(booting, j.call.Address)
	if err != nil && ctx.Err() == nil {
		err = context.Cause(booting)
	}
	return conn, err
}

// watchBoot ends the wait once the driver has said that the target runs, and then
// for a while that it does not: a service manager may be about to start it again. A driver that never saw it run proves nothing: a machine
// that is woken by a packet is silent until it is up.
func (j *job) watchBoot(ctx context.Context, reporter driver.Reporter, died context.CancelCauseFunc) {
	began, ran, missing := time.Now(), false, time.Time{}
	for {
		switch running, err := j.report(ctx, reporter); {
		case err != nil: // nobody can tell
		case running:
			ran, missing = true, time.Time{}
		case ran && missing.IsZero():
			missing = time.Now()
		case ran && time.Since(missing) >= bootGap:
			died(errDied)
			return
		}
		select {
		case <-time.After(max(bootBeat, time.Since(began)/10)):
		case <-ctx.Done():
			return
		}
	}
}

// startedAnyway looks once more after a start that failed: "already running" is
// the commonest failure, and the target itself knows best. But if its driver says
// that it does not run, then a stranger has got its address.
func (j *job) startedAnyway(ctx context.Context, err error) result {
	if ctx.Err() != nil || j.lost {
		return result{err: err}
	}
	if reporter, ok := j.Driver.(driver.Reporter); ok {
		if running, reportErr := j.report(ctx, reporter); reportErr == nil && !running {
			return result{err: err}
		}
	}
	conn, probeErr := j.Prober.Once(ctx, j.call.Address)
	if probeErr != nil {
		return result{err: err}
	}
	j.Logger.Warn("the start failed, but the target answers", "target", j.Name, "err", err)
	return result{conn: conn}
}

func (j *job) awaitSave(ctx context.Context) {
	if j.saved == nil {
		return
	}
	select {
	case <-j.saved:
	case <-ctx.Done():
	case <-time.After(saveTimeout):
		j.Logger.Error("going on although the state is not saved: the disk does not answer", "target", j.Name, "operation", j.op.String())
		j.doubt(j.call.Epoch, errDeadDisk)
	}
}

// saveBudget has the start counted on disk before it begins: no crash makes it a free one.
func (j *job) saveBudget(ctx context.Context) {
	if j.Budget == nil || j.op != opStart || j.resume {
		return
	}
	saved := make(chan error, 1)
	go func() { saved <- j.Budget.Save() }()
	err := errDeadDisk
	select {
	case err = <-saved:
	case <-ctx.Done():
		return
	case <-time.After(saveTimeout):
	}
	if err != nil {
		j.Logger.Error("going on although the budget is not saved: should rouse crash now, this start costs nothing", "target", j.Name, "err", err)
	}
}

// retry calls f again while it fails with [driver.ErrTemporary], with growing
// pauses, until ctx ends.
func retry[T any](ctx context.Context, j *job, what string, f func(context.Context, driver.Op) (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = j.Backoff, 16*j.Backoff
	var last error
	value, err := backoff.Retry(ctx, func() (T, error) {
		v, err := f(ctx, j.call)
		last = err
		if err != nil && !errors.Is(err, driver.ErrTemporary) {
			err = backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, d time.Duration) {
		j.Logger.Warn("will try again", "target", j.Name, "operation", what, "for", d.Round(time.Millisecond), "err", err)
	}))
	if err != nil && last != nil {
		return value, last
	}
	return value, err
}
