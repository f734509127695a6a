// Rouse wakes a sleeping server by TCP: it sits at the address that clients use,
// starts the real server when the first client comes, holds that client with its
// bytes until the server answers, relays, and stops the server again when the last
// client has left and a cooldown has passed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/threads"
)

// Exit codes, which scripts may rely on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the config is wrong; nothing was started
)

func main() {
	exec.RunKeeper()
	keepInherited()
	threads.Warm(16) // loops, collector, a few blocking calls at a time; without them no stop hook would run when processes run out
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr, &hangup{asked: make(chan struct{}, 1)}}))
}

// streams are what the program talks through.
type streams struct {
	in, out, err *os.File
	hangup       *hangup
}

// A hangup is the signal SIGHUP: it ends rouse, as it does any program, but for a daemon that wants it as a request to reload.
type hangup struct {
	wanted atomic.Bool
	asked  chan struct{} // buffered: several requests that nobody has heard are one
}

// take says whether the signal is a request.
func (h *hangup) take(s os.Signal) bool {
	if s != syscall.SIGHUP || !h.wanted.Load() {
		return false
	}
	select {
	case h.asked <- struct{}{}:
	default:
	}
	return true
}

// run is the program: it parses, calls, and turns the error into an exit code.
func run(args []string, std streams) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go heed(notify(), std.hangup, cancel)

	problems, args := checkFlags(newRoot(std, nil), args)
	root := newRoot(std, problems)
	root.SetArgs(append([]string{}, args...)) // nil would stand for those of the process, which are judged already
	root.SetOut(std.out)
	root.SetErr(std.err)
	return conclude(std.err, root.ExecuteContext(ctx))
}

// notify asks for the signals that end rouse. SIGPIPE is asked for so that it does
// not end it: a log that nobody reads any more costs lines, not clients.
func notify() <-chan os.Signal {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ends := make(chan os.Signal, 2)
	signal.Notify(ends, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup means it
		signal.Notify(ends, syscall.SIGHUP)
	}
	return ends
}

// heed ends the context at the first signal, and the program at the second, as the
// signal would have done by itself.
func heed(signals <-chan os.Signal, h *hangup, cancel context.CancelCauseFunc) {
	next := func() os.Signal {
		s := <-signals
		for h.take(s) {
			s = <-signals
		}
		return s
	}
	cancel(fmt.Errorf("%v signal received", next()))
	h.wanted.Store(false)
	again := next()
	signal.Reset(again)
	self, err := os.FindProcess(os.Getpid())
	if err == nil && self.Signal(again) == nil {
		select {} // the signal is on its way
	}
	os.Exit(exitFailed) // not every system can signal
}

// conclude tells the user what went wrong and returns the exit code.
func conclude(out io.Writer, err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errViolated), errors.Is(err, errUnwell), errors.Is(err, errDeclined): // they have told why
		return exitFailed
	}
	if wrong, ok := errors.AsType[wrongConfig](err); ok {
		wrong.write(out)
		return exitUsage
	}
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		fmt.Fprintf(out, "rouse: %v\n", err)
		if _, unread := errors.AsType[notATrace](err); unread {
			return exitUsage
		}
		return exitFailed
	}
	fmt.Fprintln(out, "rouse: the command line is wrong; nothing was started")
	for _, p := range problems {
		fmt.Fprintf(out, "  %v\n", p)
	}
	fmt.Fprintln(out, "See: rouse --help")
	return exitUsage
}
