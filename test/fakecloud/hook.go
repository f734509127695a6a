package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// hook does what ROUSE_EVENT says. A signal ends it at once: what it has asked for goes on in the cloud.
func hook(ctx context.Context, args []string, _ io.Writer) error {
	var hasty bool
	var poll time.Duration
	client, args, err := shape{least: 1, most: 1, flags: func(f *flag.FlagSet) {
		f.BoolVar(&hasty, "hasty", false, "return when it has asked, without waiting for RUNNING or STOPPED")
		f.DurationVar(&poll, "poll", 10*time.Millisecond, "between two looks at the machine")
	}}.ask(args)
	if err != nil {
		return err
	}
	epoch, err := strconv.ParseUint(os.Getenv("ROUSE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: ROUSE_EPOCH is %q, not a number", errUsage, os.Getenv("ROUSE_EPOCH"))
	}
	caller := &fakecloud.Caller{
		API: client, Machine: args[0], By: fmt.Sprintf("pid %d", os.Getpid()), Hasty: hasty, Poll: poll, Begin: client.Begin,
	}
	defer client.Close()
	return act(ctx, caller, driver.Op{Epoch: epoch})
}

func act(ctx context.Context, caller *fakecloud.Caller, op driver.Op) error {
	switch event := os.Getenv("ROUSE_EVENT"); event {
	case "start":
		address, err := caller.Start(ctx, op)
		if err != nil {
			return err
		}
		return output(address)
	case "stop":
		return caller.Stop(ctx, op)
	case "status":
		running, err := caller.Report(ctx, op)
		if err == nil && !running {
			return status(exitDown)
		}
		return err
	default:
		return fmt.Errorf("%w: ROUSE_EVENT is %q, not start, stop or status", errUsage, event)
	}
}

// output tells rouse where the machine is.
func output(address string) error {
	path := os.Getenv("ROUSE_OUTPUT")
	if path == "" || address == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte("address="+address+"\n"), 0o600); err != nil {
		return fmt.Errorf("telling the address: %w", err)
	}
	return nil
}

// tryAgain says whether the same may succeed soon: the cloud said so, or it cannot be reached.
func tryAgain(err error) bool {
	refusal, refused := errors.AsType[*fakecloud.Refusal](err)
	return errors.Is(err, driver.ErrTemporary) || refused && refusal.Temporary || !refused && isNetwork(err)
}
