package app

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
)

const (
	mostLoops = 8  // more would only share the work of as many busy network cards
	mostPipes = 32 // for bulk transfers whose reader is slow; an unprivileged user has 64 large ones
	spareRuns = 2  // that hooks, timers and logs have beside the loops
)

// loopOptions says how many loops: one for each core that the process may use.
func loopOptions() loop.Options {
	cores := min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	return loop.Options{Loops: min(cores, mostLoops), Pipes: int(min(mostPipes, gate.DescriptorLimit()/32))}
}

// spareDials is how many descriptors a listener has for fresh attempts at a target that does not answer.
func spareDials() int { return int(max(min(64, gate.DescriptorLimit()/64), 1)) }

// openLoops makes the loops, where the system has them. A busy loop does not give its turn away, so the runtime gets
// room for everything else beside them, unless the user has said how much it may use.
func (a *App) openLoops() error {
	opts := loopOptions()
	loops, err := loop.New(opts)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		a.tellUnpaced()
		return nil
	case err != nil:
		return fmt.Errorf("opening event loops: %w", err)
	}
	a.loops = loops
	a.onClose(loops.Close)
	if os.Getenv("GOMAXPROCS") == "" {
		before := runtime.GOMAXPROCS(opts.Loops + spareRuns)
		a.onClose(func() error { runtime.GOMAXPROCS(before); return nil })
	}
	return nil
}

// tellUnpaced says that clients are let through at once all the same.
func (a *App) tellUnpaced() {
	for _, t := range a.cfg.Targets {
		if t.ReleaseRate > 0 {
			a.logger.Warn("--release-rate does nothing on this system: all who wait are let through at once", "target", t.Name)
		}
	}
}
