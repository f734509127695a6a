package fakecloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A Caller operates one machine as a good hook does: it asks, and then asks again and again whether that has come
// about. It is a driver.Driver with reports. Refusals that may pass are driver.ErrTemporary.
type Caller struct {
	API     API
	Machine string
	By      string        // who asks, for the record; the epoch comes behind it
	Hasty   bool          // returns when it has asked, without waiting for RUNNING or STOPPED
	Poll    time.Duration // between two looks; 1 s when 0
	// Begin tells the judge, as [Cloud.Begin] does; nil: nobody is told.
	Begin func(Action) (end func(), err error)
}

var (
	_ driver.Driver   = (*Caller)(nil)
	_ driver.Reporter = (*Caller)(nil)
)

// Driver returns a driver for a machine of this cloud.
func (c *Cloud) Driver(machine string) *Caller {
	return &Caller{API: c, Machine: machine, By: "driver", Begin: c.Begin}
}

// Start asks for a start and returns the address when the machine is RUNNING.
func (d *Caller) Start(ctx context.Context, op driver.Op) (address string, err error) {
	err = d.do(ctx, "start", op, func(by string) error {
		if err := d.API.Start(ctx, d.Machine, by); err != nil {
			return err
		}
		address, err = d.await(ctx, Running)
		return err
	})
	return address, err
}

// Stop asks for a stop and returns when the machine is STOPPED.
func (d *Caller) Stop(ctx context.Context, op driver.Op) error {
	return d.do(ctx, "stop", op, func(by string) error {
		if err := d.API.Stop(ctx, d.Machine, by); err != nil {
			return err
		}
		_, err := d.await(ctx, Stopped)
		return err
	})
}

// Report says whether the machine is anything but STOPPED.
func (d *Caller) Report(ctx context.Context, op driver.Op) (running bool, err error) {
	err = d.do(ctx, "status", op, func(string) error {
		desc, err := d.API.Describe(ctx, d.Machine)
		running = desc.State != Stopped
		return err
	})
	return running && err == nil, err
}

func (d *Caller) do(ctx context.Context, kind string, op driver.Op, f func(by string) error) error {
	by := fmt.Sprintf("%s epoch %d", d.By, op.Epoch)
	if d.Begin != nil {
		end, err := d.Begin(Action{Machine: d.Machine, Kind: kind, By: by})
		if err != nil {
			return err
		}
		defer end()
	}
	err := f(by)
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if temporary(err) {
		return fmt.Errorf("%w: %w", driver.ErrTemporary, err)
	}
	return err
}

func temporary(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Temporary
}

// await looks until the machine is in the state wanted, or cannot get there any more. The address is that of a
// RUNNING machine.
func (d *Caller) await(ctx context.Context, want State) (address string, err error) {
	for {
		desc, err := d.API.Describe(ctx, d.Machine)
		switch {
		case err != nil && !temporary(err):
			return "", err
		case err != nil: // throttled: it looks again
		case desc.State == want, d.Hasty && desc.State != Stopped:
			return desc.Address, nil
		case want == Running && (desc.State == Stopped || desc.State == Stopping):
			return "", errStockout
		case want == Stopped && (desc.State == Running || desc.State == Pending):
			return "", &Refusal{Code: "StartedAgain", Text: "somebody has started it while it stopped"}
		}
		pause := d.Poll
		if pause == 0 {
			pause = time.Second
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
