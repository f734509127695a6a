// Command fakecloud is package fakecloud as a process, with hooks for rouse; tests only.
//
// The cloud is one process (serve) behind a unix socket; its machines listen on loopback addresses. The other commands
// ask it. What a hook has asked for goes on in the cloud, whatever becomes of the hook. Run it with -h for what there is.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
)

const usage = `fakecloud serve  --socket PATH --machine NAME=IP:PORT... [options]   a cloud; serve -h lists its options
fakecloud hook   --socket PATH [--hasty] [--poll D] MACHINE          a hook of rouse: start, stop and status
fakecloud inject --socket PATH MACHINE FAULT...                      e.g. stockout, throttle=3, slow-boot=3s, crash, preempt
fakecloud calm   --socket PATH MACHINE                               takes back the faults that have not happened
fakecloud meter  --socket PATH [MACHINE]                             JSON: billed and needed seconds, and what the judge saw
fakecloud state  --socket PATH MACHINE                               JSON: state and address
fakecloud need   --socket PATH MACHINE WHO                           wants the machine until it is killed
`

// Exit codes of sysexits.h and of the hook contract.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitDown     = 3 // of a status hook
	exitTryAgain = 75
)

// errUsage marks what is wrong with the command line; it was told.
var errUsage = errors.New("wrong usage")

// status is an error that is only an exit code.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(code(run(ctx, os.Args[1:], os.Stdout), os.Stderr))
}

// code tells an error and returns its exit code.
func code(err error, stderr io.Writer) int {
	var s status
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &s):
		return int(s)
	}
	fmt.Fprintf(stderr, "fakecloud: %v\n", err)
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case tryAgain(err):
		return exitTryAgain
	}
	return exitFailed
}

var commands = map[string]func(context.Context, []string, io.Writer) error{
	"serve": serve, "hook": hook, "inject": inject, "calm": calm, "meter": meter, "state": state, "need": need,
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(out, usage)
		return nil
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("%w: there is no command %q\n%s", errUsage, args[0], usage)
	}
	return command(ctx, args[1:], out)
}

// A shape is what the command line of a command that asks a cloud looks like.
type shape struct {
	least, most int                 // arguments
	flags       func(*flag.FlagSet) // beside --socket; nil: none
}

// ask reads a command line and returns a client, and the arguments.
func (s shape) ask(args []string) (*remote.Client, []string, error) {
	flags := flag.NewFlagSet("fakecloud", flag.ContinueOnError)
	socket := flags.String("socket", "", "where the cloud listens")
	if s.flags != nil {
		s.flags(flags)
	}
	if err := flags.Parse(args); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if *socket == "" {
		return nil, nil, fmt.Errorf("%w: --socket is missing\n%s", errUsage, usage)
	}
	if n := flags.NArg(); n < s.least || n > s.most {
		return nil, nil, fmt.Errorf("%w: %d arguments %q\n%s", errUsage, n, flags.Args(), usage)
	}
	return remote.Dial(*socket), flags.Args(), nil
}

func inject(ctx context.Context, args []string, _ io.Writer) error {
	client, args, err := shape{least: 2, most: 1000}.ask(args)
	if err != nil {
		return err
	}
	return client.Inject(ctx, args[0], args[1:]...)
}

func calm(ctx context.Context, args []string, _ io.Writer) error {
	client, args, err := shape{least: 1, most: 1}.ask(args)
	if err != nil {
		return err
	}
	return client.Calm(ctx, args[0])
}

func state(ctx context.Context, args []string, out io.Writer) error {
	client, args, err := shape{least: 1, most: 1}.ask(args)
	if err != nil {
		return err
	}
	desc, err := client.Describe(ctx, args[0])
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(desc)
}

func meter(ctx context.Context, args []string, out io.Writer) error {
	client, names, err := shape{most: 1}.ask(args)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = client.Machines(ctx); err != nil {
			return err
		}
	}
	encoder := json.NewEncoder(out) // one line each
	for _, name := range names {
		reading, err := client.Read(ctx, name)
		if err != nil {
			return err
		}
		if err := encoder.Encode(reading); err != nil {
			return err
		}
	}
	return nil
}

func need(ctx context.Context, args []string, out io.Writer) error {
	client, args, err := shape{least: 2, most: 2}.ask(args)
	if err != nil {
		return err
	}
	done, err := client.Need(args[0], args[1])
	if err != nil {
		return err
	}
	defer done()
	fmt.Fprintln(out, "wanted")
	<-ctx.Done()
	return nil
}
