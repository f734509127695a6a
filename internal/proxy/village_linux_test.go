package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

// patience is the bound of every wait here; a test that needs it has failed.
const patience = 30 * time.Second

// A village is a town on the kernel's loopback: time is real, and the clients are carried by event loops.
type village struct {
	*server
	t      *testing.T
	rules  rules
	fds    int // that were open before
	front  string
	target *target.Target
	group  *loop.Group
	slots  *gate.Slots
	ledger ledger
	trace  trace.Memory
	logs   logs
	close  context.CancelFunc      // ends accepting
	cut    context.CancelCauseFunc // ends serving
	closed chan error              // Serve's end
	end    context.CancelFunc
	lives  sync.WaitGroup
	left   bool
}

// rules of a village's rouse. The zero value is good: one loop, and no stop for as long as a test takes.
type rules struct {
	loops, clients int
	goroutines     bool // carry the clients, as where there are no loops
	cooldown       time.Duration
	startTimeout   time.Duration
	patience       time.Duration
	settle         time.Duration
	rate           float64
	host           string // in the target's address, instead of 127.0.0.1
	dial           Dialer
	direct         func(string) (netip.AddrPort, error)
	prober         target.Prober
	sink           func(event.Event)
	wrap           func(Waker) Waker
	early          func(*village) // comes before the door is open
	gate           *gate.Gate
}

func settle(t *testing.T, s *server, r rules) *village {
	t.Helper()
	v := &village{server: s, t: t, rules: r, closed: make(chan error, 1)}
	v.fds = openFDs(t)
	s.build(t)
	prober, err := probe.New(probe.Options{Settle: r.settle})
	if err != nil {
		t.Fatal(err)
	}
	v.fill(prober)
	events := event.NewLog(v.ledger.note, v.trace.Sink, v.rules.sink)
	v.trace.Begin(map[string]trace.Settings{"vm": {
		Cooldown: v.rules.cooldown, StartTimeout: cmp.Or(v.rules.startTimeout, 5*time.Minute), StopTimeout: 5 * time.Minute,
	}})
	logger := slog.New(slog.NewJSONHandler(&v.logs, nil))
	v.target, err = target.New(target.Options{
		Name: "vm", Address: v.backend(), Driver: s, Prober: v.rules.prober, Store: noStore{}, Events: events, Logger: logger,
		Cooldown: v.rules.cooldown, StartTimeout: v.rules.startTimeout, Backoff: 10 * time.Millisecond, Look: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.held = func() int { return v.target.Status().Held }
	if v.group, err = loop.New(loop.Options{Loops: v.rules.loops, Pipes: 4}); err != nil {
		t.Fatal(err)
	}
	v.slots = gate.NewSlots(v.rules.clients)
	opts := Options{
		Target: v.rules.wrap(v.target), Dial: v.rules.dial, Direct: v.rules.direct, Slots: v.slots, Patience: r.patience,
		ReleaseRate: r.rate, Events: events, Logger: logger, Loops: v.group,
	}
	if r.goroutines {
		opts.Loops = nil
	}
	if r.gate != nil {
		opts.Plan = opts.plan()
		opts.Plan.Gate = r.gate
	}
	v.live(New(opts))
	return v
}

// fill puts what is usual where the rules say nothing.
func (v *village) fill(prober *probe.Prober) {
	r := &v.rules
	r.loops, r.clients, r.cooldown = cmp.Or(r.loops, 1), cmp.Or(r.clients, 1000), cmp.Or(r.cooldown, time.Hour)
	if r.dial == nil {
		r.dial = prober.Dial
	}
	if r.direct == nil {
		r.direct = direct
	}
	if r.prober == nil {
		r.prober = prober
	}
	if r.sink == nil {
		r.sink = func(event.Event) {}
	}
	if r.wrap == nil {
		r.wrap = func(w Waker) Waker { return w }
	}
}

// direct needs no resolver for an address.
func direct(address string) (netip.AddrPort, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.AddrPort{}, nil
	}
	return to, nil
}

// backend is the target's address as rouse knows it.
func (v *village) backend() string {
	if v.rules.host == "" {
		return v.address
	}
	_, port, _ := net.SplitHostPort(v.address)
	return net.JoinHostPort(v.rules.host, port)
}

func (v *village) live(l *Listener) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		v.t.Fatal(err)
	}
	v.front = ln.Addr().String()
	if v.rules.early != nil {
		v.rules.early(v)
	}
	living, end := context.WithCancel(context.Background())
	accepting, closeDoor := context.WithCancel(context.Background())
	serving, cut := context.WithCancelCause(context.Background())
	v.end, v.close, v.cut = end, closeDoor, cut
	v.group.Start()
	v.lives.Go(func() { _ = v.target.Run(living) })
	v.lives.Go(func() { v.closed <- l.Serve(accepting, serving, ln) })
	v.t.Cleanup(v.leave)
}

// leave ends everything, once, at the latest with the test. Nothing may be held, counted or open then, and every client has one account.
func (v *village) leave() {
	if v.left {
		return
	}
	v.left = true
	v.close()
	v.cut(errors.New("the village closes"))
	select {
	case err := <-v.closed:
		if err != nil {
			v.t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		v.t.Fatalf("Serve has not ended: %+v", v.target.Status())
	}
	v.empty()
	v.end()
	v.lives.Wait()
	v.group.Stop()
	if err := v.group.Close(); err != nil {
		v.t.Errorf("closing the loops: %v", err)
	}
	v.raze()
	v.ledger.audit(v.t)
	v.trace.End()
	if r := v.trace.Check(trace.CheckOptions{}); !r.OK() {
		v.t.Errorf("its trace:\n%s", r)
	}
	now := 0
	until(v.t, "every descriptor is closed again", func() bool { now = openFDs(v.t); return now <= v.fds })
}

// empty checks that nobody counts for anything any more.
func (v *village) empty() {
	v.t.Helper()
	v.counts(0, 0)
	free := 0
	for v.slots.TryAcquire() {
		free++
	}
	for range free {
		v.slots.Release()
	}
	if free != v.rules.clients {
		v.t.Errorf("%d slots of %d are free at the end", free, v.rules.clients)
	}
	for i, l := range v.group.Loops() {
		if n := l.Load(); n != 0 {
			v.t.Errorf("loop %d carries %d at the end", i, n)
		}
	}
}

// counts waits for what the target counts.
func (v *village) counts(held, waiting int) {
	v.t.Helper()
	until(v.t, "the target's counts", func() bool {
		st := v.target.Status()
		return st.Held == held && st.Waiting == waiting
	})
}

// enters waits until the target has been in a state, maybe for a moment.
func (v *village) enters(s target.State) {
	v.t.Helper()
	until(v.t, "the target has been "+s.String(), func() bool {
		return slices.ContainsFunc(v.ledger.of(event.StateChanged), func(e event.Event) bool { return e.To == s.String() })
	})
}

// becomes waits for a state that lasts.
func (v *village) becomes(s target.State) {
	v.t.Helper()
	until(v.t, "the target is "+s.String(), func() bool { return v.target.Status().State == s })
}

// ran checks how often the target was started and stopped.
func (v *village) ran(starts, stops int32) {
	v.t.Helper()
	if v.starts.Load() != starts || v.stops.Load() != stops {
		v.t.Errorf("%d starts and %d stops, want %d and %d", v.starts.Load(), v.stops.Load(), starts, stops)
	}
}

// client is a new one, whose whole life is bounded.
func (v *village) client() *net.TCPConn {
	v.t.Helper()
	c, err := net.Dial("tcp", v.front)
	if err != nil {
		v.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// attempt is a client's talk that may end as soon as in the middle of connecting.
func (v *village) attempt(text string) (string, error) {
	c, err := net.Dial("tcp", v.front)
	if err != nil {
		return "", err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return talk(c.(*net.TCPConn), text)
}

// awake is a village whose target is ready, and a client that is connected to it.
func (v *village) awake() *net.TCPConn {
	v.t.Helper()
	c := v.client()
	v.chat(c, "good morning")
	return c
}

// chat sends text and reads it back.
func (v *village) chat(c net.Conn, text string) {
	v.t.Helper()
	if err := echoed(c, text); err != nil {
		v.t.Errorf("%q came not back: %v", text, err)
	}
}

func echoed(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	n, err := io.ReadFull(c, got)
	if err == nil && string(got) != text {
		err = errors.New("other bytes: " + string(got[:n]))
	}
	return err
}

// talk sends text, ends its side, and returns all that comes back.
func talk(c *net.TCPConn, text string) (string, error) {
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	if err := c.CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// served checks that a client gets its own bytes back and a quiet end.
func (v *village) served(c *net.TCPConn, text string) {
	v.t.Helper()
	if got, err := talk(c, text); got != text || err != nil {
		v.t.Errorf("got %d bytes back, %v; want the %d that were sent", len(got), err, len(text))
	}
}

// hangUp resets a connection.
func hangUp(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for by := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("has not come true: %s", what)
		}
	}
}

func openFDs(t testing.TB) int {
	t.Helper()
	once.Do(func() { // lets the runtime open what it keeps
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
	})
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

var once sync.Once

// logs are what was logged, for the eyes of a test.
type logs struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
