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
	by, end, err := d.begin("start", op)
	if err != nil {
		return "", err
	}
	defer end()
	if err = d.API.Start(ctx, d.Machine, by); err == nil {
		address, err = d.await(ctx, Running)
	}
	return address, verdict(ctx, err)
}

// Stop asks for a stop and returns when the machine is STOPPED.
func (d *Caller) Stop(ctx context.Context, op driver.Op) error {
	by, end, err := d.begin("stop", op)
	if err != nil {
		return err
	}
	defer end()
	if err = d.API.Stop(ctx, d.Machine, by); err == nil {
		_, err = d.await(ctx, Stopped)
	}
	return verdict(ctx, err)
}

// Report says whether the machine is anything but STOPPED.
func (d *Caller) Report(ctx context.Context, op driver.Op) (running bool, err error) {
	_, end, err := d.begin("status", op)
	if err != nil {
		return false, err
	}
	defer end()
	desc, err := d.API.Describe(ctx, d.Machine)
	return err == nil && desc.State != Stopped, verdict(ctx, err)
}

// begin tells the judge of an operation, and returns who it is by.
func (d *Caller) begin(kind string, op driver.Op) (by string, end func(), err error) {
	by = fmt.Sprintf("%s epoch %d", d.By, op.Epoch)
	if d.Begin == nil {
		return by, func() {}, nil
	}
	end, err = d.Begin(Action{Machine: d.Machine, Kind: kind, By: by})
	return by, end, err
}

// verdict is what a driver says of an error.
func verdict(ctx context.Context, err error) error {
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
