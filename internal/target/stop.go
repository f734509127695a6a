package target

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
)

// stop asks the driver and believes nothing until the target is verified down.
func (j *job) stop(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, j.StopTimeout)
	defer cancel()
	err := j.stopAction(timed)
	if err != nil {
		j.outlast(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if verr := j.verifyDown(ctx, timed, err); verr != nil {
		return fmt.Errorf("stopping target %q: %w", j.Name, verr)
	}
	if err != nil {
		j.Logger.Warn("the stop failed, but the target is down", "target", j.Name, "err", err)
	}
	return nil
}

// outlast waits for the end of a stop action whose time is over and that may still act, such as a hook in its grace, or one
// that a dead rouse or a killed keeper has left. Nobody is let in before: it may stop the target under them.
func (j *job) outlast(ctx context.Context) {
	resumer, ok := j.Driver.(driver.Resumer)
	for ok && ctx.Err() == nil {
		_, err := resumer.Resume(ctx, j.call)
		if err == nil {
			return
		}
		select {
		case <-time.After(j.Backoff): // the system does not say
		case <-ctx.Done():
		}
	}
}

// stopAction runs the driver's action, unless the one that a dead rouse began has succeeded: whether the target is down is
// verified anyway.
func (j *job) stopAction(ctx context.Context) error {
	if j.resume {
		if past, err := j.past(ctx, "stop"); err != nil || past != nil && past.Err == nil {
			return err
		}
	}
	_, err := retry(ctx, j, "stop", func(ctx context.Context, op driver.Op) (struct{}, error) {
		return struct{}{}, j.Driver.Stop(ctx, op)
	})
	return err
}

// verifyDown asks until the target is down or the time is over. After a stop that
// failed only the driver's own word counts, and it is asked once.
func (j *job) verifyDown(ctx, timed context.Context, stopErr error) error {
	reporter, canReport := j.Driver.(driver.Reporter)
	down := func(ctx context.Context) error {
		if !canReport {
			return j.silent(ctx)
		}
		running, err := j.report(ctx, reporter)
		if err != nil {
			return fmt.Errorf("asking whether it runs: %w", err)
		}
		if running {
			return errors.New("its driver says that it still runs")
		}
		return nil
	}
	if stopErr != nil {
		if canReport && down(ctx) == nil {
			return nil
		}
		return stopErr
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 2*time.Second
	var last error
	_, err := backoff.Retry(timed, func() (struct{}, error) {
		if err := down(timed); err != nil {
			last = err
			return struct{}{}, err
		}
		return struct{}{}, nil
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return nil
	}
	return fmt.Errorf("not down after %v: %w", j.StopTimeout, last)
}

// silent is nil when nobody answers at the target's address, or when nobody knows it: an answer at the one in call says
// nothing then, and the stop would be carried out for ever.
func (j *job) silent(ctx context.Context) error {
	if j.lost {
		return nil
	}
	err := probe.Silent(ctx, j.Prober, j.call.Address)
	if errors.Is(err, probe.ErrStillUp) {
		return fmt.Errorf("the stop was carried out, but %w", err)
	}
	return err
}
