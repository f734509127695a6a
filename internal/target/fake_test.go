package target

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/trace"
)

var (
	errBroken = errors.New("broken")
	errSilent = errors.New("connection refused")
)

// A machineRoom is a target made of a clock: it takes bootTime after each start to
// answer. It implements driver.Driver, Prober and Store, and counts.
type machineRoom struct {
	t         *testing.T
	startTime time.Duration // of the start action
	bootTime  time.Duration // from the end of the start action until it answers
	stopTime  time.Duration
	startErr  func(n int) error // of the nth start action, from 1
	stopErr   func(n int) error
	deaf      atomic.Bool // never answers
	deafAsk   bool        // the driver ignores ctx

	upAt    atomic.Int64 // unix nano when it answers; 0: off
	busy    atomic.Int32 // operations in flight
	starts  atomic.Int32
	stops   atomic.Int32
	record  atomic.Pointer[state.Record]
	saveErr error
	lastOp  atomic.Pointer[driver.Op]
	address string // learnt by each start
	trace   trace.Memory
	actions atomic.Int32
	rigged  bool // a test has set the machine by hand, or nobody tells the trace: it makes no sense
}

// enter notes an action, as a driver of hooks would tell of it.
func (m *machineRoom) enter(action string, op driver.Op) func() {
	if m.busy.Add(1) != 1 {
		m.t.Error("two operations at a time")
	}
	e := event.Event{Kind: event.HookBegun, Target: "web", Operation: action, Epoch: op.Epoch, PID: int(m.actions.Add(1))}
	tell := event.NewLog(m.trace.Sink)
	tell.Emit(e)
	return func() {
		e.Kind = event.HookEnded
		tell.Emit(e)
		m.busy.Add(-1)
	}
}

func (m *machineRoom) sleep(ctx context.Context, d time.Duration) error {
	if m.deafAsk {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *machineRoom) Start(ctx context.Context, op driver.Op) (string, error) {
	defer m.enter("start", op)()
	n := int(m.starts.Add(1))
	m.lastOp.Store(&op)
	if r := m.record.Load(); m.saveErr == nil && (r == nil || !r.MayRun || r.Epoch != op.Epoch) {
		m.t.Errorf("start action of epoch %d begun before the record said so: %+v", op.Epoch, r)
	}
	if err := m.sleep(ctx, m.startTime); err != nil {
		return "", err
	}
	if m.startErr != nil {
		if err := m.startErr(n); err != nil {
			return "", err
		}
	}
	m.power(true)
	return m.address, nil
}

func (m *machineRoom) Stop(ctx context.Context, op driver.Op) error {
	defer m.enter("stop", op)()
	n := int(m.stops.Add(1))
	m.lastOp.Store(&op)
	if err := m.sleep(ctx, m.stopTime); err != nil {
		return err
	}
	if m.stopErr != nil {
		if err := m.stopErr(n); err != nil {
			return err
		}
	}
	m.power(false)
	return nil
}

// power is the switch on the machine itself.
func (m *machineRoom) power(on bool) {
	switch {
	case !on:
		m.upAt.Store(0)
	case m.upAt.Load() == 0:
		m.upAt.Store(time.Now().Add(m.bootTime).UnixNano())
	}
}

func (m *machineRoom) answers() bool {
	at := m.upAt.Load()
	return at != 0 && time.Now().UnixNano() >= at && !m.deaf.Load()
}

func (m *machineRoom) Once(context.Context, string) (net.Conn, error) {
	if m.answers() {
		return nil, nil
	}
	return nil, errSilent
}

func (m *machineRoom) Wait(ctx context.Context, address string) (net.Conn, error) {
	for {
		if conn, err := m.Once(ctx, address); err == nil {
			return conn, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, errSilent
		}
	}
}

func (m *machineRoom) Load(name string) (state.Record, error) {
	if r := m.record.Load(); r != nil {
		return *r, nil
	}
	return state.Record{Target: name}, nil
}

func (m *machineRoom) Save(r state.Record) error {
	if m.saveErr != nil {
		return m.saveErr
	}
	m.record.Store(&r)
	return nil
}

// reporting is a machineRoom whose driver can tell whether it runs.
type reporting struct {
	*machineRoom
	err error
}

func (r reporting) Report(context.Context, driver.Op) (bool, error) {
	return r.upAt.Load() != 0, r.err
}

// stay is one life of rouse in front of a machineRoom.
type stay struct {
	*Target
	t    *testing.T
	room *machineRoom
	end  context.CancelFunc
	done chan error
}

// open starts a life. Every test leaves with all counts at zero.
func (m *machineRoom) open(change ...func(*Options)) *stay {
	opts := Options{
		Name: "web", Address: "vm:80", Driver: m, Prober: m, Store: m,
		Cooldown: 30 * time.Minute, StartTimeout: 5 * time.Minute, StopTimeout: 5 * time.Minute, Look: -1,
	}
	opts.Events = event.NewLog(m.trace.Sink)
	for _, f := range change {
		f(&opts)
	}
	m.trace.Begin(map[string]trace.Settings{opts.Name: {
		Cooldown: opts.Cooldown, StartTimeout: opts.StartTimeout, StopTimeout: opts.StopTimeout, LongestIdle: max(opts.MinUptime, opts.Veto.Every),
	}})
	tg, err := New(opts)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stay{Target: tg, t: m.t, room: m, end: cancel, done: make(chan error, 1)}
	go func() { s.done <- tg.Run(ctx) }()
	return s
}

// close ends the life as SIGTERM would.
func (s *stay) close() {
	s.t.Helper()
	s.end()
	if err := <-s.done; err != nil {
		s.t.Errorf("Run: %v", err)
	}
	s.room.trace.End()
}

func (s *stay) acquire() *Hold {
	s.t.Helper()
	h, err := s.Acquire(s.t.Context(), "client test")
	if err != nil {
		s.t.Fatalf("Acquire: %v", err)
	}
	return h
}

// expect asserts the state and the counts after everything has settled.
func (s *stay) expect(want State, starts, stops int32) {
	s.t.Helper()
	synctest.Wait()
	st := s.Status()
	if st.State != want || s.room.starts.Load() != starts || s.room.stops.Load() != stops {
		s.t.Errorf("state %v after %d starts and %d stops, want %v, %d, %d (%+v)",
			st.State, s.room.starts.Load(), s.room.stops.Load(), want, starts, stops, st)
	}
}

// judge holds what the room has seen against all rules but those about clients, who tell nothing here.
func (m *machineRoom) judge() {
	m.t.Helper()
	if r := m.trace.Check(trace.CheckOptions{NoClients: true}); !r.OK() && !m.rigged {
		for _, l := range m.trace.Lines() {
			m.t.Logf("%d: %v %s %s %s→%s epoch %d pid %d %s", l.Number, l.At, l.Kind, l.Operation, l.From, l.To, l.Epoch, l.PID, l.Error)
		}
		m.t.Errorf("\n%s", r)
	}
}

// bubble runs a test in a synctest bubble with a room of its own.
func bubble(t *testing.T, f func(t *testing.T, m *machineRoom)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &machineRoom{t: t, startTime: time.Second, bootTime: 39 * time.Second, stopTime: 5 * time.Second}
		f(t, m)
		m.judge()
	})
}
