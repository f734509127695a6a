package fakecloud

import (
	"context"
	"errors"
	"sync"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A Keeper is a [Caller] whose starts and stops outlive rouse, as hooks do that are kept: when rouse ends they go on, the
// next operation waits for them, and the next rouse can ask how they ended. One serves all lives of a target's rouse.
type Keeper struct {
	Caller Caller

	mu   sync.Mutex // guards last
	last *kept
}

var (
	_ driver.Driver   = (*Keeper)(nil)
	_ driver.Reporter = (*Keeper)(nil)
	_ driver.Resumer  = (*Keeper)(nil)
)

// kept is one action; outcome is written before done is closed.
type kept struct {
	epoch   uint64
	outcome driver.Outcome
	done    chan struct{}
}

// Start is [Caller.Start].
func (k *Keeper) Start(ctx context.Context, op driver.Op) (address string, err error) {
	return k.run(ctx, deed{"start", op, k.Caller.Start})
}

// Stop is [Caller.Stop].
func (k *Keeper) Stop(ctx context.Context, op driver.Op) error {
	_, err := k.run(ctx, deed{"stop", op, func(ctx context.Context, op driver.Op) (string, error) {
		return "", k.Caller.Stop(ctx, op)
	}})
	return err
}

// Report is [Caller.Report], behind what is under way.
func (k *Keeper) Report(ctx context.Context, op driver.Op) (running bool, err error) {
	if _, err := k.newest(ctx); err != nil {
		return false, err
	}
	return k.Caller.Report(ctx, op)
}

// Resume waits for what an earlier rouse left under way.
func (k *Keeper) Resume(ctx context.Context, op driver.Op) (driver.Outcome, error) {
	last, err := k.newest(ctx)
	if err != nil || last == nil || last.epoch != op.Epoch {
		return driver.Outcome{}, err
	}
	return last.outcome, nil
}

// newest waits until nothing is under way and returns what was last, or nil.
func (k *Keeper) newest(ctx context.Context) (*kept, error) {
	k.mu.Lock()
	last := k.last
	k.mu.Unlock()
	if last == nil {
		return nil, nil
	}
	select {
	case <-last.done:
		return last, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (k *Keeper) run(ctx context.Context, d deed) (address string, err error) {
	if _, err := k.newest(ctx); err != nil {
		return "", err
	}
	going, end := context.WithCancelCause(context.WithoutCancel(ctx))
	a := &kept{epoch: d.op.Epoch, outcome: driver.Outcome{Action: d.action}, done: make(chan struct{})}
	k.mu.Lock()
	k.last = a
	k.mu.Unlock()
	go a.run(end, func() (string, error) { return d.do(going, d.op) })
	select {
	case <-a.done:
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), driver.ErrDetach) {
			return "", context.Cause(ctx)
		}
		end(context.Cause(ctx))
		<-a.done
	}
	return a.outcome.Address, a.outcome.Err
}

// A deed is what is to be done.
type deed struct {
	action string
	op     driver.Op
	do     func(context.Context, driver.Op) (address string, err error)
}

func (a *kept) run(end context.CancelCauseFunc, f func() (string, error)) {
	defer close(a.done)
	defer end(nil)
	a.outcome.Address, a.outcome.Err = f()
}
