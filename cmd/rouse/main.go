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
	"syscall"

	"github.com/rouse-proxy/rouse/internal/config"
)

// Exit codes, which scripts may rely on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // the command line is wrong; nothing was started
)

func main() {
	keepInherited()
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are what the program talks through.
type streams struct{ in, out, err *os.File }

// run is the program: it parses, calls, and turns the error into an exit code.
func run(args []string, std streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends rouse at once

	root := newRoot(std)
	root.SetArgs(args)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := errors.Join(unknownFlags(root, args))
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	return report(std.err, err)
}

// report tells the user what went wrong and returns the exit code.
func report(out io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		fmt.Fprintf(out, "rouse: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(out, "rouse: the command line is wrong; nothing was started")
	for _, p := range problems {
		fmt.Fprintf(out, "  %v\n", p)
	}
	fmt.Fprintln(out, "See: rouse --help")
	return exitUsage
}
