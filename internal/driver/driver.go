// Package driver says what a driver is: the thing that starts and stops one
// target and, where it can, reports whether the target runs. Each kind of driver
// is a sub-package; nothing here knows any of them.
package driver

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// ErrTemporary marks an operation that did not succeed now but may when it is
// tried again soon: a hook that exits 75 (EX_TEMPFAIL of sysexits.h), a fork that
// the system refused for the moment. Test for it with [errors.Is].
var ErrTemporary = errors.New("try again")

// ErrDetach is the cause ([context.Cause]) of a context that ends because rouse
// itself ends. A driver then stops waiting and leaves the operation running, for
// the next rouse to find. Every other end of the context ends the operation.
var ErrDetach = errors.New("rouse is ending")

// An Op describes one operation to a driver.
type Op struct {
	Epoch   uint64    // number of the run that this operation belongs to; grows by one at each start of ours
	Since   time.Time // when that run began or was found; zero: not known
	Reason  string    // why, in rouse's own words: "client 192.0.2.7:40312", "idle for 30m0s"
	Address string    // backend address in force, host:port
}

// A Driver starts and stops one target. Calls never overlap. Both must be
// idempotent: starting what runs and stopping what is stopped succeed.
type Driver interface {
	// Start asks the target to start and returns when that has been asked for; the
	// target need not serve yet. A non-empty address (HOST or HOST:PORT) is where
	// this run of the target is to be dialled.
	Start(ctx context.Context, op Op) (address string, err error)
	// Stop asks the target to stop. Whether it is down is for the caller to verify.
	Stop(ctx context.Context, op Op) error
}

// A Reporter is a driver that can also say whether its target runs. An error
// means that it could not tell.
type Reporter interface {
	Report(ctx context.Context, op Op) (running bool, err error)
}

// An Outcome is how an action ended that an earlier rouse began.
type Outcome struct {
	Action  string // "start" or "stop"; empty: the epoch asked for has left no result
	Address string // of a start that succeeded, as Start returns it
	Err     error  // why it failed; nil: it succeeded
}

// A Resumer is a driver whose actions outlive rouse.
type Resumer interface {
	// Resume waits until the action that an earlier rouse left under way has ended,
	// and returns how the newest action of op.Epoch ended. The error says that it
	// could not tell: ctx ended first, or the system did not say.
	Resume(ctx context.Context, op Op) (Outcome, error)
}

// WithPort completes an address that a driver has learnt with the port of the configured one. It is empty if nothing was learnt.
func WithPort(address, configured string) string {
	if address == "" || strings.HasPrefix(configured, "unix:") {
		return "" // where a socket is, nobody moves
	}
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	_, port, err := net.SplitHostPort(configured)
	if err != nil {
		return "" // there is no port
	}
	return net.JoinHostPort(address, port)
}
