package exec

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A HookRun is one process of a hook, when it has begun or ended.
type HookRun struct {
	Hook  string // start, stop, status or probe
	PID   int
	Epoch uint64
	Ended bool
	Err   error // how it ended; nil: with exit code 0, or nobody can say

	Output string // the end of what it has written, in one line
}

// tell costs an event if whoever is told has a fault, and nothing else: some of it happens on goroutines where the fault
// would end rouse.
func (d *Driver) tell(r HookRun) {
	if d.told == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("a fault of rouse itself has lost an event; please report it", "panic", fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
	}()
	d.told(r)
}

// tellOutcome tells of the end of a hook that its keeper has seen.
func (d *Driver) tellOutcome(o outcome, output string) {
	if o.PID == 0 {
		return // it never began
	}
	r := HookRun{Hook: o.Event, PID: o.PID, Epoch: o.Epoch, Ended: true, Output: output}
	if !o.done() {
		r.Err = errors.New(o.text())
	}
	d.tell(r)
}

// tellLeft tells of the end of a hook that an earlier rouse left running, as far as it is known.
func (d *Driver) tellLeft(r record) {
	d.tell(HookRun{Hook: r.Event, PID: r.PID, Epoch: r.Epoch, Ended: true})
}
