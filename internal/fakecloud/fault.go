package fakecloud

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind names a fault.
type Kind string

// The kinds of fault. The first group waits for operations, each as often as Times says; the second is for one
// operation and takes time; the third happens by itself, For from now.
const (
	Throttle   Kind = "throttle"    // the next call of any kind, Describe too, is refused: try again
	Quota      Kind = "quota"       // the next start is refused for good
	StartFails Kind = "start-fails" // the next start is refused with an internal error
	StopFails  Kind = "stop-fails"  // the next stop is refused with an internal error
	Stockout   Kind = "stockout"    // the next start is accepted, and goes from PENDING back to STOPPED
	Stranger   Kind = "stranger"    // after the next stop a stranger listens at the address, and the machine moves on

	SlowBoot      Kind = "slow-boot"      // PENDING takes For longer
	LatePort      Kind = "late-port"      // the port opens For later
	Flap          Kind = "flap"           // the port opens, closes after For, and opens again after For
	Forwarder     Kind = "forwarder"      // the port accepts and resets from PENDING on, until the application is up For later
	StuckStopping Kind = "stuck-stopping" // STOPPING takes For longer

	Crash   Kind = "crash"    // the machine is STOPPED at once
	Preempt Kind = "preempt"  // the provider stops it
	AppDies Kind = "app-dies" // the machine runs on, but nobody answers
)

// kinds lists all; those from slowest on have a duration, those before a count.
var kinds = []Kind{
	Throttle, Quota, StartFails, StopFails, Stockout, Stranger,
	SlowBoot, LatePort, Flap, Forwarder, StuckStopping, Crash, Preempt, AppDies,
}

// Kinds returns all kinds of fault.
func Kinds() []Kind { return slices.Clone(kinds) }

func (k Kind) timed() bool  { return slices.Index(kinds, k) >= slices.Index(kinds, SlowBoot) }
func (k Kind) sudden() bool { return k == Crash || k == Preempt || k == AppDies }

// A Fault is one thing that goes wrong with a machine.
type Fault struct {
	Kind  Kind
	For   time.Duration // of those that take time; 0: ten times what the machine's plan has, for the sudden: at once
	Times int           // of those that are counted; 0: once
}

// String returns f as [ParseFault] reads it.
func (f Fault) String() string {
	switch {
	case f.For != 0:
		return fmt.Sprintf("%s=%v", f.Kind, f.For)
	case f.Times != 0:
		return fmt.Sprintf("%s=%d", f.Kind, f.Times)
	}
	return string(f.Kind)
}

// ParseFault reads KIND, KIND=DURATION or KIND=TIMES, such as slow-boot=3s and throttle=4.
func ParseFault(s string) (Fault, error) {
	name, value, valued := strings.Cut(s, "=")
	f := Fault{Kind: Kind(name)}
	if !slices.Contains(kinds, f.Kind) {
		return Fault{}, fmt.Errorf("there is no fault %q; choose one of %v", name, kinds)
	}
	if !valued {
		return f, nil
	}
	var err error
	if f.Kind.timed() {
		f.For, err = time.ParseDuration(value)
	} else {
		f.Times, err = strconv.Atoi(value)
	}
	if err != nil || f.For <= 0 && f.Times <= 0 {
		want := "a count such as 3"
		if f.Kind.timed() {
			want = "a duration such as 3s"
		}
		return Fault{}, fmt.Errorf("fault %q: %q is not %s", name, value, want)
	}
	return f, nil
}

// Draw returns a fault of a random kind, for a machine with the plan p.
func Draw(r *rand.Rand, p Plan) Fault {
	f := Fault{Kind: kinds[r.IntN(len(kinds))]}
	switch {
	case f.Kind.sudden():
		f.For = 1 + rand64(r, p.Boot+p.Late+2*p.Allowance)
	case f.Kind.timed():
		f.For = 1 + rand64(r, 4*max(p.Boot+p.Late, p.Halt))
	default:
		f.Times = 1 + r.IntN(2)
	}
	return f
}

func rand64(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d) + 1))
}

// inject takes a fault in. It needs the cloud's mutex, as all methods of a machine do.
func (m *machine) inject(f Fault) {
	m.note("fault", "", f.String())
	if !f.Kind.sudden() {
		f.Times = max(f.Times, 1)
		m.faults = append(m.faults, f)
		return
	}
	time.AfterFunc(f.For, func() { // no overtaking: it may hit a later run
		m.cloud.mu.Lock()
		defer m.cloud.mu.Unlock()
		if !m.calmed && !m.cloud.closed {
			m.suffer(f.Kind)
		}
	})
}

// take returns a fault of the kind if one is due now, and uses it up.
func (m *machine) take(k Kind) *Fault {
	i := slices.IndexFunc(m.faults, func(f Fault) bool { return f.Kind == k })
	if i < 0 {
		return nil
	}
	f := m.faults[i]
	if m.faults[i].Times--; m.faults[i].Times <= 0 {
		m.faults = slices.Delete(m.faults, i, i+1)
	}
	m.meter.faults[k]++
	return &f
}

// extra returns for how long a fault of the kind delays what takes usual; 0 without one.
func (m *machine) extra(k Kind, usual time.Duration) time.Duration {
	f := m.take(k)
	switch {
	case f == nil:
		return 0
	case f.For > 0:
		return f.For
	}
	return 10 * max(usual, time.Millisecond)
}

// suffer lets a sudden fault happen, if the machine is in a state for it.
func (m *machine) suffer(k Kind) {
	switch {
	case m.state != Pending && m.state != Running, k == AppDies && m.port == nil:
		return
	case k == Crash:
		m.powerOff("crash")
	case k == Preempt:
		m.halt(m.plan.Halt, "preempted")
	case k == AppDies:
		m.run++ // a port that is to open again does not
		m.closePort()
		m.note("app died", "", "")
		if m.state == Pending {
			m.powerOff("its application died before it ran")
		}
		m.booting(false)
	}
	m.meter.faults[k]++
}
