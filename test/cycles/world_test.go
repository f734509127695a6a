package cycles

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/memnet"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

const (
	front   = "10.9.9.9:80"
	first   = "10.0.0.1:80"
	machine = "vm"
)

// A world is one bubble: a cloud with one machine, and a rouse in front that may be replaced.
type world struct {
	t      *testing.T
	net    memnet.Network
	cloud  *fakecloud.Cloud
	plan   fakecloud.Plan
	limits limits
	random *rand.Rand
	store  memory
	driver *fakecloud.Keeper
	life   *life
	tape   tape
	trace  trace.Memory
	tally  tally
}

// limits are the times of a world's rouse.
type limits struct{ cooldown, start, stop time.Duration }

// newWorld draws one from the seed.
func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1))}
	w.limits = limits{cooldown: w.between(time.Second, 20*time.Second), start: w.between(5*time.Second, 20*time.Second),
		stop: w.between(5*time.Second, 20*time.Second)}
	w.plan = fakecloud.Plan{
		Name: machine, Address: first, Moves: w.one(2), App: pick(w, fakecloud.Echo, fakecloud.SHA256, fakecloud.Banner),
		Boot: w.between(0, 3*time.Second), Late: w.between(0, time.Second), Halt: w.between(0, 3*time.Second),
		StopsPending: w.one(2), Forwarder: w.one(4), Allowance: w.limits.cooldown,
	}
	w.cloud = fakecloud.New(fakecloud.Options{Listen: w.listen, Seed: seed, Record: w.tape.fact})
	if err := w.cloud.Add(w.plan); err != nil {
		t.Fatal(err)
	}
	w.driver = &fakecloud.Keeper{Caller: *w.cloud.Driver(machine)}
	w.driver.Caller.Poll, w.driver.Caller.Hasty = 250*time.Millisecond, w.one(3)
	w.begin()
	return w
}

// between draws a duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

// one says yes in one of n cases.
func (w *world) one(n int) bool { return w.random.IntN(n) == 0 }

func pick[T any](w *world, all ...T) T { return all[w.random.IntN(len(all))] }

func (w *world) listen(address string) (net.Listener, error) {
	ln, err := w.net.Listen(address)
	if err != nil {
		return nil, err // not ln: a nil *Listener in a net.Listener is not nil
	}
	return ln, nil
}

// A life is one run of rouse.
type life struct {
	target *target.Target
	shut   context.CancelFunc      // ends accepting
	cut    context.CancelCauseFunc // ends serving
	die    context.CancelFunc
	served chan error
	wg     sync.WaitGroup
}

// begin starts a rouse.
func (w *world) begin() {
	prober, err := probe.New(probe.Options{Settle: 50 * time.Millisecond, Dial: w.net.DialContext})
	if err != nil {
		w.t.Fatal(err)
	}
	events := event.NewLog(w.tape.event, w.trace.Sink)
	w.trace.Begin(map[string]trace.Settings{machine: {Cooldown: w.limits.cooldown, StartTimeout: w.limits.start, StopTimeout: w.limits.stop}})
	l := &life{served: make(chan error, 1)}
	l.target, err = target.New(target.Options{
		Name: machine, Address: first, Driver: w.driver, Prober: prober, Store: &w.store, Events: events,
		Cooldown: w.limits.cooldown, StartTimeout: w.limits.start, StopTimeout: w.limits.stop,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := w.listen(front)
	if err != nil {
		w.t.Fatal(err)
	}
	var living, accepting, serving context.Context
	living, l.die = context.WithCancel(context.Background())
	accepting, l.shut = context.WithCancel(context.Background())
	serving, l.cut = context.WithCancelCause(context.Background())
	listener := proxy.New(proxy.Options{Target: l.target, Dial: prober.Dial, Slots: gate.NewSlots(1000), Patience: 5 * time.Minute, Events: events})
	l.wg.Go(func() { _ = l.target.Run(living) })
	l.wg.Go(func() { l.served <- listener.Serve(accepting, serving, ln) })
	w.life = l
}

// end ends the rouse that runs; the machine stays as it is.
func (w *world) end() {
	l := w.life
	l.shut()
	l.cut(errors.New("rouse is replaced"))
	if err := <-l.served; err != nil {
		w.t.Errorf("serving: %v", err)
	}
	l.die()
	l.wg.Wait()
	w.trace.End()
	if st := l.target.Status(); st.Held != 0 {
		w.t.Errorf("%d holds are left at the end: %+v", st.Held, st)
	}
}

// memory is a store that outlives a rouse.
type memory struct {
	mu     sync.Mutex // guards record
	record state.Record
}

func (m *memory) Load(name string) (state.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record
	r.Target = name
	return r, nil
}

func (m *memory) Save(r state.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = r
	return nil
}

// A tape keeps the newest of what happened, for a failure.
type tape struct {
	mu   sync.Mutex // guards what follows
	last [400]any
	next int
}

func (t *tape) fact(f fakecloud.Fact) { t.put(f) }
func (t *tape) event(e event.Event)   { t.put(e) }

func (t *tape) put(v any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[t.next%len(t.last)] = v
	t.next++
}

// String is one line for each thing that happened.
func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []byte
	for i := max(t.next-len(t.last), 0); i < t.next; i++ {
		switch v := t.last[i%len(t.last)].(type) {
		case fakecloud.Fact:
			out = fmt.Appendf(out, "%s   cloud: %s %s (%s)\n", v.At.Format("15:04:05.000"), v.What, v.Detail, v.By)
		case event.Event:
			out = fmt.Appendf(out, "%s rouse: %s %v\n", v.Time.Format("15:04:05.000"), v.Kind, v.Attrs()[1:])
		}
	}
	return string(out)
}

// A tally counts what happened.
type tally struct {
	cycles, restarts            int
	clients, served, left, told int
	starts, stops               int
	billed, needed              float64
	faults                      map[fakecloud.Kind]int
}

func (t *tally) add(o tally) {
	t.cycles, t.restarts = t.cycles+o.cycles, t.restarts+o.restarts
	t.clients, t.served, t.left, t.told = t.clients+o.clients, t.served+o.served, t.left+o.left, t.told+o.told
	t.starts, t.stops = t.starts+o.starts, t.stops+o.stops
	t.billed, t.needed = t.billed+o.billed, t.needed+o.needed
	if t.faults == nil {
		t.faults = map[fakecloud.Kind]int{}
	}
	for k, n := range o.faults {
		t.faults[k] += n
	}
}

// read takes over what the meter says.
func (t *tally) read(r fakecloud.Reading) {
	t.starts, t.stops, t.billed, t.needed, t.faults = r.Starts, r.Stops, r.Billed, r.Needed, r.Faults
}

// leak is billed over needed.
func (t *tally) leak() float64 { return t.billed / max(t.needed, 1e-9) }

func (t *tally) String() string {
	out := fmt.Appendf(nil, "%d cycles, %d starts, %d stops, %d restarts of rouse\n", t.cycles, t.starts, t.stops, t.restarts)
	out = fmt.Appendf(out, "%d clients: %d served byte for byte, %d left by themselves, %d reset\n", t.clients, t.served, t.left, t.told)
	out = fmt.Appendf(out, "billed %.0f s, needed %.0f s, leak %.4f\nfaults that happened:", t.billed, t.needed, t.leak())
	kinds := fakecloud.Kinds()
	slices.Sort(kinds)
	for _, k := range kinds {
		out = fmt.Appendf(out, " %s %d", k, t.faults[k])
	}
	return string(out)
}
