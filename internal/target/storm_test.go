package target

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/state"
)

// A switchboard is a target that starts and stops at once, and knows who is inside.
type switchboard struct {
	t      *testing.T
	on     atomic.Bool
	inside atomic.Int64 // clients that hold it
	stops  atomic.Int64
	door   *door
}

func (b *switchboard) Start(context.Context, driver.Op) (string, error) {
	b.on.Store(true)
	return "", nil
}

// Stop looks before and after it gives the clients a chance to run.
func (b *switchboard) Stop(context.Context, driver.Op) error {
	b.stops.Add(1)
	for range 3 {
		if inside, held := b.inside.Load(), b.door.held(); inside != 0 || held != 0 {
			b.t.Errorf("stopped with %d clients inside and %d holds out", inside, held)
		}
		runtime.Gosched()
	}
	b.on.Store(false)
	return nil
}

func (b *switchboard) Report(context.Context, driver.Op) (bool, error) { return b.on.Load(), nil }

func (b *switchboard) Once(context.Context, string) (net.Conn, error) {
	if b.on.Load() {
		return nil, nil
	}
	return nil, errSilent
}

func (b *switchboard) Wait(ctx context.Context, address string) (net.Conn, error) {
	return b.Once(ctx, address)
}

func (b *switchboard) Load(name string) (state.Record, error) { return state.Record{Target: name}, nil }
func (b *switchboard) Save(state.Record) error                { return nil }

// open starts a life whose cooldown is over as soon as it begins.
func (b *switchboard) open() (*Target, func()) {
	tg, err := New(Options{Name: "web", Address: "vm:80", Driver: b, Prober: b, Store: b, Cooldown: 1, Look: -1})
	if err != nil {
		b.t.Fatal(err)
	}
	b.door = &tg.door
	ctx, end := context.WithCancel(context.Background())
	var life sync.WaitGroup
	life.Go(func() { _ = tg.Run(ctx) })
	return tg, func() { end(); life.Wait() }
}

// TestNoStopUnderAFastClient: clients come and go as fast as they can while the
// supervisor tries to stop the target whenever nobody is there. The pauses between the
// rounds are about as long as it takes to decide.
func TestNoStopUnderAFastClient(t *testing.T) {
	b := &switchboard{t: t}
	tg, end := b.open()
	defer end()
	var fast atomic.Int64
	for round := range 1000 {
		var clients sync.WaitGroup
		for n := range 3 {
			clients.Go(func() { fast.Add(b.client(tg, (round+n)%8)) })
		}
		clients.Wait()
		for range round % 16 {
			runtime.Gosched()
		}
	}
	if err := tg.Retire(t.Context()); err != nil {
		t.Error(err)
	}
	if st := tg.Status(); st.Held != 0 || st.Waiting != 0 || b.on.Load() {
		t.Errorf("after all have left: %+v", st)
	}
	t.Logf("%d stops between %d fast holds", b.stops.Load(), fast.Load())
}

// client comes the fast way if it can, or else is waited for; then it comes again.
func (b *switchboard) client(tg *Target, again int) (fast int64) {
	h, err := tg.Acquire(b.t.Context(), "client")
	if err != nil {
		b.t.Error(err)
		return 0
	}
	b.visit(h)
	for range again {
		var h Hold
		if tg.TryHold(&h) {
			b.visit(&h)
			fast++
		}
	}
	return fast
}

// visit is one client's time inside.
func (b *switchboard) visit(h *Hold) {
	b.inside.Add(1)
	if !b.on.Load() {
		b.t.Error("let in while it was off")
	}
	runtime.Gosched()
	b.inside.Add(-1)
	h.Release()
}
