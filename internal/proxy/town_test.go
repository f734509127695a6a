package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/memnet"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

const (
	front = "front:8000"
	back  = "vm:80"
)

var errBroken = errors.New("broken")

// A town is a network in memory with one sleeping server, one rouse and clients.
// Everything but the wires and the server is the real thing.
type town struct {
	t      *testing.T
	net    memnet.Network
	target *target.Target
	cut    context.CancelCauseFunc // ends serving
	close  context.CancelFunc      // ends accepting
	closed chan error              // Serve's end
	end    context.CancelFunc
	lives  sync.WaitGroup
	logs   bytes.Buffer
	events chan event.Event
	trace  trace.Memory

	boot      time.Duration
	stopTime  time.Duration
	startErr  error          // guarded by mu once the town is open
	serve     func(net.Conn) // one client at the server
	forwarder bool           // something accepts and closes while the server boots
	starts    atomic.Int32
	stops     atomic.Int32
	mu        sync.Mutex   // guards the fields below
	ln        net.Listener // the server's
	booting   *time.Timer
	serving   sync.WaitGroup
	live      atomic.Int32 // clients at the server
}

// options of a town's rouse.
type options struct {
	clients  int // slots
	listener func(net.Listener) net.Listener
	dial     Dialer // prober's when nil
	port     uint16
	patience time.Duration
}

func open(t *testing.T, tw *town, o options) *town {
	t.Helper()
	tw.t = t
	if tw.serve == nil {
		tw.serve = echo
	}
	if o.clients == 0 {
		o.clients = 1000
	}
	logger := slog.New(slog.NewJSONHandler(&tw.logs, nil))
	tw.events = make(chan event.Event, 10000)
	prober, err := probe.New(probe.Options{Settle: 50 * time.Millisecond, Dial: tw.net.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	events := event.NewLog(func(e event.Event) {
		select {
		case tw.events <- e:
		default:
		}
	}, tw.trace.Sink)
	tw.trace.Begin(map[string]trace.Settings{"vm": {Cooldown: 10 * time.Minute, StartTimeout: 2 * time.Minute, StopTimeout: time.Minute}})
	tw.target, err = target.New(target.Options{
		Name: "vm", Address: back, Driver: tw, Prober: prober, Store: noStore{}, Events: events,
		Cooldown: 10 * time.Minute, StartTimeout: 2 * time.Minute, StopTimeout: time.Minute, Look: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ln net.Listener
	if ln, err = tw.net.Listen(front); err != nil {
		t.Fatal(err)
	}
	if o.listener != nil {
		ln = o.listener(ln)
	}
	living, end := context.WithCancel(context.Background())
	accepting, closeDoor := context.WithCancel(context.Background())
	serving, cut := context.WithCancelCause(context.Background())
	tw.end, tw.close, tw.cut, tw.closed = end, closeDoor, cut, make(chan error, 1)
	tw.lives.Go(func() { _ = tw.target.Run(living) })
	if o.dial == nil {
		o.dial = prober.Dial
	}
	listener := New(Options{Target: tw.target, Port: o.port, Patience: o.patience, Dial: o.dial, Slots: gate.NewSlots(o.clients), Events: events, Logger: logger})
	tw.lives.Go(func() { tw.closed <- listener.Serve(accepting, serving, ln) })
	t.Cleanup(tw.leave)
	return tw
}

// leave ends everything; nothing may be held or open then.
func (tw *town) leave() {
	tw.close()
	tw.cut(errors.New("the town closes"))
	if err := <-tw.closed; err != nil {
		tw.t.Errorf("Serve: %v", err)
	}
	synctest.Wait()
	if st := tw.target.Status(); st.Held != 0 || st.Waiting != 0 {
		tw.t.Errorf("counts at the end: %+v", st)
	}
	tw.end()
	tw.lives.Wait()
	tw.die()
	tw.trace.End()
	if r := tw.trace.Check(trace.CheckOptions{}); !r.OK() {
		tw.t.Errorf("its trace:\n%s", r)
	}
}

// Start, Stop: the town is its own driver.
func (tw *town) Start(ctx context.Context, _ driver.Op) (string, error) {
	tw.starts.Add(1)
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if tw.startErr != nil {
		return "", tw.startErr
	}
	if tw.ln != nil {
		return "", nil
	}
	if tw.forwarder {
		tw.up(func(c net.Conn) { c.Close() })
	}
	tw.booting = time.AfterFunc(tw.boot, func() {
		tw.mu.Lock()
		defer tw.mu.Unlock()
		tw.down()
		tw.up(tw.serve)
	})
	return "", nil
}

func (tw *town) Stop(ctx context.Context, _ driver.Op) error {
	tw.stops.Add(1)
	if n := tw.live.Load(); n > 0 {
		tw.t.Errorf("stopped under %d clients", n)
	}
	time.Sleep(tw.stopTime)
	tw.die()
	return nil
}

// up lets the server listen; it serves every client with f.
func (tw *town) up(f func(net.Conn)) {
	ln, err := tw.net.Listen(back)
	if err != nil {
		tw.t.Errorf("server: %v", err)
		return
	}
	tw.ln = ln
	tw.serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			tw.live.Add(1)
			tw.serving.Go(func() {
				defer tw.live.Add(-1)
				defer conn.Close()
				f(conn)
			})
		}
	})
}

// die takes the server's power away.
func (tw *town) die() {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if tw.booting != nil {
		tw.booting.Stop()
	}
	tw.down()
}

// running says whether somebody listens.
func (tw *town) running() bool {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	return tw.ln != nil
}

// down lets nobody listen any more. It needs mu, as up does.
func (tw *town) down() {
	if tw.ln != nil {
		tw.ln.Close()
		tw.ln = nil
	}
}

// echo sends back what it reads, and ends when its client does.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

type noStore struct{}

func (noStore) Load(name string) (state.Record, error) { return state.Record{Target: name}, nil }
func (noStore) Save(state.Record) error                { return nil }

// dial is one client.
func (tw *town) dial() *memnet.Conn {
	tw.t.Helper()
	c, err := tw.net.Dial(tw.t.Context(), front)
	if err != nil {
		tw.t.Fatal(err)
	}
	return c
}

// talk sends text, ends its side, and returns all that comes back.
func (tw *town) talk(c *memnet.Conn, text string) (string, error) {
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	if err := c.CloseWrite(); err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// expect asserts the target's state and counts.
func (tw *town) expect(want target.State, starts, stops int32) {
	tw.t.Helper()
	synctest.Wait()
	if st := tw.target.Status(); st.State != want || tw.starts.Load() != starts || tw.stops.Load() != stops {
		tw.t.Errorf("%v after %d starts and %d stops, want %v, %d, %d (%+v)", st.State, tw.starts.Load(), tw.stops.Load(), want, starts, stops, st)
	}
}
