package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
)

// serve is the cloud. It says "ready" when it answers.
func serve(ctx context.Context, args []string, out io.Writer) error {
	var machines []string
	var plan fakecloud.Plan
	flags := flag.NewFlagSet("fakecloud serve", flag.ContinueOnError)
	socket := flags.String("socket", "", "where to listen for calls")
	log := flags.String("log", "", "a file for one JSON line per fact")
	seed := flags.Uint64("seed", 1, "of the faults that are drawn")
	flags.Func("machine", "NAME=IP:PORT of a machine; may be repeated", func(s string) error { machines = append(machines, s); return nil })
	flags.DurationVar(&plan.Boot, "boot", 0, "PENDING to RUNNING")
	flags.DurationVar(&plan.Late, "late", 0, "RUNNING to the open port")
	flags.DurationVar(&plan.Halt, "halt", 0, "STOPPING to STOPPED")
	flags.DurationVar(&plan.Allowance, "allowance", 0, "how long a machine may run on after it was needed")
	flags.BoolVar(&plan.Moves, "moves", false, "each start gets the next address")
	flags.BoolVar(&plan.StopsPending, "stops-pending", false, "a stop while PENDING is accepted")
	flags.BoolVar(&plan.Forwarder, "forwarder", false, "the port accepts and resets until the application is up")
	flags.Float64Var(&plan.Chance, "chance", 0, "of a random fault at each start, 0 to 1")
	app := flags.String("app", "echo", "what answers: echo, sha256 or banner")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *socket == "" || len(machines) == 0 || flags.NArg() > 0 {
		return fmt.Errorf("%w: serve needs --socket PATH and --machine NAME=IP:PORT, and no arguments", errUsage)
	}
	plan.App = fakecloud.App(*app)
	record, closeLog, err := recorder(*log)
	if err != nil {
		return err
	}
	defer closeLog()
	cloud := fakecloud.New(fakecloud.Options{Listen: listenTCP, Seed: *seed, Record: record})
	defer cloud.Close()
	if err := add(cloud, plan, machines); err != nil {
		return err
	}
	ln, err := listenUnix(*socket)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	return remote.Serve(ctx, cloud, ln)
}

func add(cloud *fakecloud.Cloud, plan fakecloud.Plan, machines []string) error {
	for _, s := range machines {
		name, address, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("%w: --machine %q is not NAME=IP:PORT", errUsage, s)
		}
		plan.Name, plan.Address = name, address
		if err := cloud.Add(plan); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
	}
	return nil
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// recorder appends facts to a file; an empty path is none.
func recorder(path string) (record func(fakecloud.Fact), done func(), err error) {
	if path == "" {
		return nil, func() {}, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	encoder := json.NewEncoder(file)
	return func(f fakecloud.Fact) { _ = encoder.Encode(f) }, func() { _ = file.Close() }, nil
}

// listenUnix takes the place of a cloud that was killed, but not of one that lives.
func listenUnix(path string) (net.Listener, error) {
	ln, err := net.Listen("unix", path)
	if err == nil {
		return ln, nil
	}
	if conn, dialErr := net.Dial("unix", path); dialErr == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("a cloud listens at %s already", path)
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("listening for calls: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("removing what a dead cloud left: %w", err)
	}
	return net.Listen("unix", path)
}

// isNetwork says whether the cloud could not be reached.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}
