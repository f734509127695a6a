package app

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/probe"
)

const (
	mostLoops = 8  // with more, nothing was measured
	mostPipes = 32 // for bulk transfers whose reader is slow; an unprivileged user has 64 large ones
	spareRuns = 2  // that hooks, timers and logs have beside the loops
)

// loopCount is the number of cores, before openLoops asks the runtime for more than that.
var loopCount = sync.OnceValue(func() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) })

// loopOptions says how many loops: one for each core that the process may use.
func loopOptions() loop.Options {
	return loop.Options{Loops: min(loopCount(), mostLoops), Pipes: int(min(mostPipes, gate.DescriptorLimit()/32))}
}

// spareDials is how many descriptors each of so many listeners has for fresh attempts at a target that does not answer:
// together not much more than one alone would have, since they reserve them.
func spareDials(listeners int) int {
	return int(max(min(64, gate.DescriptorLimit()/64)/uint64(max(listeners, 1)), 1))
}

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
		runtime.GOMAXPROCS(max(opts.Loops+spareRuns, runtime.GOMAXPROCS(0)))
		a.onClose(func() error { runtime.SetDefaultGOMAXPROCS(); return nil })
	}
	return nil
}

// tellUnpaced says that clients are let through at once all the same.
func (a *App) tellUnpaced() {
	for _, t := range a.cfg.Targets {
		if t.ReleaseRate > 0 {
			a.logger.Warn("a release rate does nothing on this system: all who wait are let through at once", "target", t.Name)
		}
	}
}

// openSlots computes how many clients there is room for. A hook must always find its descriptors, most of all when clients
// have taken all they may.
func (a *App) openSlots() { a.slots = gate.NewSlots(a.room()) }

// room is for how many clients there is.
func (a *App) room() int {
	limit, each := gate.DescriptorLimit(), a.perClient()
	reserve := gate.Reserve + len(a.cfg.Targets)*(exec.Descriptors+probe.Descriptors) + len(a.cfg.Routes)*spareDials(len(a.cfg.Routes)) + max(len(a.cfg.Routes)-1, 0)
	if a.loops != nil {
		reserve += loop.Descriptors(loopOptions())
	}
	if wanted := uint64(reserve) + each; limit < wanted {
		a.logger.Warn("the limit of open files is too low for hooks and even one client; raise it (ulimit -n, LimitNOFILE=)",
			"limit", limit, "wanted", wanted)
	}
	return gate.Capacity(limit, uint64(reserve), each)
}

// perClient is how many descriptors a client may take. What is dialled by name may stand for many addresses: that is not
// done on a loop.
func (a *App) perClient() uint64 {
	for _, t := range a.cfg.Targets {
		if _, err := netip.ParseAddr(t.Backend.Host); err != nil || a.loops == nil {
			return 1 + probe.DialDescriptors
		}
	}
	return gate.PerClient
}
