package fakecloud

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// A machine is one thing that is billed. The cloud's mutex guards it.
type machine struct {
	plan    Plan
	cloud   *Cloud
	state   State
	address string
	run     int // grows whenever what is under way is overtaken
	timers  []*time.Timer
	faults  []Fault
	calmed  bool
	leaving bool // a stranger gets its address when it is STOPPED

	port    *port             // nil while it is closed
	up      bool              // the application answers
	clients map[net.Conn]bool // connected to the application

	actions []*Action // under way
	meter   meter
}

func (m *machine) note(what, by, detail string) {
	if m.cloud.opts.Record != nil {
		m.cloud.opts.Record(Fact{At: time.Now(), Machine: m.plan.Name, What: what, By: by, Detail: detail})
	}
}

// after calls f later, unless it is overtaken.
func (m *machine) after(d time.Duration, f func()) {
	run := m.run
	m.timers = append(m.timers, time.AfterFunc(d, func() {
		m.cloud.mu.Lock()
		defer m.cloud.mu.Unlock()
		if m.run == run {
			f()
		}
	}))
}

// enter changes the state. What the old one had set going is overtaken when it ends a run.
func (m *machine) enter(s State, why string) {
	m.meter.account()
	m.state = s
	m.meter.billed, m.meter.halting = s != Stopped, s == Stopping
	m.note("state", "", string(s)+" "+why)
}

// booting says whether it is on its way up, which nobody can do anything about.
func (m *machine) booting(yes bool) {
	m.meter.account()
	m.meter.booting = yes
}

func (m *machine) start(string) error {
	if m.plan.Chance > 0 && m.state == Stopped && m.cloud.random.Float64() < m.plan.Chance {
		m.inject(Draw(m.cloud.random, m.plan))
	}
	switch {
	case m.take(Throttle) != nil:
		return errThrottled
	case m.state == Stopping:
		return errState("started", m.state)
	case m.state != Stopped:
		return nil
	case m.take(Quota) != nil:
		return errQuota
	case m.take(StartFails) != nil:
		return errInternal
	}
	m.boot()
	return nil
}

// boot begins a run.
func (m *machine) boot() {
	m.meter.starts++
	m.run++
	if m.plan.Moves {
		m.address, _ = nextAddress(m.address) // checked by Add
	}
	m.enter(Pending, m.address)
	m.booting(true)
	boot := m.plan.Boot + m.extra(SlowBoot, m.plan.Boot)
	if m.take(Stockout) != nil {
		m.after(boot, func() { m.powerOff("no capacity") })
		return
	}
	late := m.plan.Late + m.extra(LatePort, m.plan.Boot)
	forwarded := m.extra(Forwarder, m.plan.Boot)
	if m.plan.Forwarder || forwarded > 0 {
		m.openPort()
	}
	m.after(boot, func() { m.enter(Running, "") })
	m.after(boot+late+forwarded, m.appUp)
}

// appUp is the application answering, maybe not for long.
func (m *machine) appUp() {
	m.up = true
	m.openPort()
	d := m.extra(Flap, m.plan.Boot)
	if d == 0 {
		m.booting(false)
		return
	}
	m.after(d, m.closePort)
	m.after(2*d, m.appUp)
}

func (m *machine) stop(by string) error {
	if n := m.clientsNow(); n > 0 && (m.state == Running || m.state == Pending) {
		m.meter.underClient++
		m.note("stop under a client", by, fmt.Sprintf("%d connected", n))
	}
	switch {
	case m.take(Throttle) != nil:
		return errThrottled
	case m.state == Stopped, m.state == Stopping:
		return nil
	case m.take(StopFails) != nil:
		return errInternal
	case m.state == Pending && !m.plan.StopsPending:
		return errState("stopped", m.state)
	}
	m.meter.stops++
	m.leaving = m.take(Stranger) != nil
	m.halt(m.plan.Halt+m.extra(StuckStopping, m.plan.Halt), "asked")
	return nil
}

// halt ends a run the slow way.
func (m *machine) halt(d time.Duration, why string) {
	m.run++
	m.closePort()
	m.booting(false)
	m.enter(Stopping, why)
	m.after(d, func() { m.powerOff("halted") })
}

// powerOff ends a run at once.
func (m *machine) powerOff(why string) {
	for _, t := range m.timers {
		t.Stop()
	}
	m.run++
	m.timers = nil
	m.closePort()
	m.booting(false)
	if m.state != Stopped {
		m.enter(Stopped, why)
	}
	if m.leaving && !m.cloud.closed {
		m.leaving = false
		m.cloud.settleStranger(m)
		m.address, _ = nextAddress(m.address) // checked by Add
	}
}

// nextAddress returns the address one above, same port.
func nextAddress(address string) (string, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || ap.Port() == 0 {
		return "", fmt.Errorf("the address %q is not IP:PORT", address)
	}
	return netip.AddrPortFrom(ap.Addr().Next(), ap.Port()).String(), nil
}
