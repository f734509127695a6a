package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
)

const (
	firstWords  = 2 * time.Second // that a server has to speak first
	dialTimeout = 10 * time.Second
	longestLook = 2 * time.Second // between two looks whether a target is down
)

// rise starts the target and waits until it is ready.
func (v *visit) rise(ctx context.Context) bool {
	v.step("Start it: %s (at most %v until it is ready)", v.Words.Start, plain(v.StartTimeout))
	timed, cancel := context.WithTimeoutCause(ctx, v.StartTimeout, fmt.Errorf("start-timeout, %v, is over", plain(v.StartTimeout)))
	defer cancel()
	began := time.Now()
	v.record(true)
	if err := v.start(timed); err != nil {
		v.failed(fmt.Errorf("the start failed: %w", err))
		return false
	}
	var err error
	v.patiently(always("it is not ready yet"), func() {
		conn, waitErr := v.Prober.Wait(timed, v.address)
		if conn != nil {
			_ = conn.Close()
		}
		err = waitErr
	})
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("the start was carried out, but nobody was ready at %s within %v: %w", v.address, plain(v.StartTimeout), err)
		}
		v.failed(err)
		return false
	}
	v.report.Ready = max(time.Since(began), time.Millisecond)
	v.fine("it is ready, %v after the start began", round(v.report.Ready))
	if is, err := v.look(ctx); err == nil && is.reported && !is.runs {
		v.failed(errors.New("the target answers, and its status hook says that it does not run; rouse would believe the hook, and start it again"))
	}
	return true
}

// start runs the start action, and learns where the target is.
func (v *visit) start(ctx context.Context) error {
	return v.act(ctx, "start", func(ctx context.Context, op driver.Op) error {
		address, err := v.Driver.Start(ctx, op)
		if address = driver.WithPort(address, v.Subject.Address); err == nil && address != "" && address != v.address {
			v.note("the start hook says that the target is at %s", address)
			v.address = address
		}
		return err
	})
}

// startAgain starts what runs, which must do no harm: rouse may do that after a crash.
func (v *visit) startAgain(ctx context.Context) {
	v.step("Start it once more, while it runs: %s. That must succeed and change nothing", v.Words.Start)
	timed, cancel := context.WithTimeout(ctx, v.StartTimeout)
	defer cancel()
	before := v.address
	if err := v.start(timed); err != nil {
		v.failed(fmt.Errorf("a start of what runs must succeed: %w", err))
		return
	}
	if v.address != before {
		v.warned("the second start says that the target is at %s, the first said %s", v.address, before)
	}
	switch is, err := v.look(ctx); {
	case err != nil:
		v.failed(err)
	case !is.ready:
		v.failed(errors.New("a start of what runs has disturbed it: it is not ready any more"))
	default:
		v.fine("it runs as before")
	}
}

// connect is a client's visit.
func (v *visit) connect(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	v.step("Connect as a client to %s, and listen for %v", v.address, firstWords)
	bounded, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := v.Prober.Dial(bounded, v.address)
	if err != nil {
		v.failed(fmt.Errorf("the target is ready, and cannot be connected to: %w", err))
		return
	}
	defer conn.Close()
	first := make([]byte, 64)
	_ = conn.SetReadDeadline(time.Now().Add(firstWords))
	n, err := conn.Read(first)
	switch {
	case n > 0 && v.ClientFirst:
		v.failed(fmt.Errorf("the server speaks first (%q), and a listener waits for what the client says first: both would wait; use min-hold or wake-from", first[:n]))
	case n > 0:
		v.fine("the server speaks first: %q", first[:n])
	case errors.Is(err, os.ErrDeadlineExceeded):
		v.fine("the connection stays, and the server waits for the client to speak")
	case errors.Is(err, io.EOF):
		v.failed(errors.New("the server ended the connection at once: the probe may believe a port forwarder; a longer settle, or a probe of the application, tells"))
	default:
		v.failed(fmt.Errorf("the connection was cut: %w", err))
	}
}

// fall stops the target, and verifies that it is down.
func (v *visit) fall(ctx context.Context) bool {
	v.step("Stop it: %s (at most %v until it is down)", v.Words.Stop, plain(v.StopTimeout))
	timed, cancel := context.WithTimeoutCause(ctx, v.StopTimeout, fmt.Errorf("stop-timeout, %v, is over", plain(v.StopTimeout)))
	defer cancel()
	began := time.Now()
	if err := v.act(timed, "stop", v.Driver.Stop); err != nil {
		v.failed(fmt.Errorf("the stop failed: %w", err))
	}
	if err := v.awaitDown(timed); err != nil {
		v.failed(err)
		return false
	}
	v.report.Down = max(time.Since(began), time.Millisecond)
	v.fine("it is down, %v after the stop began", round(v.report.Down))
	v.record(false)
	return true
}

// awaitDown asks until the target is down. What its driver says counts, where it can say; the silence of its address else.
func (v *visit) awaitDown(ctx context.Context) error {
	reporter, reports := v.Driver.(driver.Reporter)
	var why error
	var newest atomic.Value
	newest.Store("it is not down yet")
	v.patiently(func() string { return newest.Load().(string) }, func() {
		for pause := 100 * time.Millisecond; ; pause = min(2*pause, longestLook) {
			last := why
			if why = v.stillUp(ctx, reporter, reports); why == nil {
				return
			} else if ctx.Err() != nil { // it says that the time is over
				why = cmp.Or(last, why)
				return
			}
			newest.Store("it is not down yet: " + why.Error())
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	})
	if why != nil {
		return fmt.Errorf("it is not down within %v: %w", plain(v.StopTimeout), why)
	}
	if !reports {
		if !slices.Contains(v.report.Warned, noStatus) {
			v.warned("%s", noStatus)
		}
		return nil
	}
	if err := probe.Silent(ctx, v.Prober, v.address); errors.Is(err, probe.ErrStillUp) {
		return fmt.Errorf("the status hook says that it does not run, and %w all the same", err)
	}
	return nil
}

const noStatus = "without a status hook, silence at its address counts as down: a machine that still shuts down may be started again too early, unless the stop hook waits"

// stillUp says why the target is not down yet.
func (v *visit) stillUp(ctx context.Context, reporter driver.Reporter, reports bool) error {
	if reports {
		running, err := reporter.Report(ctx, v.op("asking"))
		switch {
		case err != nil:
			return fmt.Errorf("asking whether it runs: %w", err)
		case running:
			return errors.New("its status hook says that it runs")
		}
		return nil
	}
	return probe.Silent(ctx, v.Prober, v.address)
}

// stopAgain stops what is down, which must do no harm.
func (v *visit) stopAgain(ctx context.Context) {
	v.step("Stop it once more, while it is down: %s. That must succeed and change nothing", v.Words.Stop)
	timed, cancel := context.WithTimeout(ctx, v.StopTimeout)
	defer cancel()
	if err := v.act(timed, "stop", v.Driver.Stop); err != nil {
		v.failed(fmt.Errorf("a stop of what is down must succeed: %w", err))
	}
	switch is, err := v.look(ctx); {
	case err != nil:
		v.failed(err)
	case is.up():
		v.report.MayRun = true
		v.failed(errors.New("it is up again after the second stop"))
	default:
		v.fine("it is down as before")
	}
}
