package cycles

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

const (
	perWorld  = 50               // cycles in one bubble
	mostLeak  = 1.05             // billed over needed, in a whole run
	enough    = 300              // cycles, for that to be an average
	toldIn    = 10 * time.Minute // bound of a client's wait, and of going down
	shortRun  = 5000
	shortRace = 1000
)

// setting is a number from the environment.
func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number above 0", name, text)
	}
	return n
}

func TestVirtualCycles(t *testing.T) {
	usual := shortRun
	if raced {
		usual = shortRace
	}
	cycles, seed := setting(t, "CYCLES", usual), uint64(setting(t, "SEED", 1))
	began := time.Now()
	var mu sync.Mutex // guards sum
	var sum tally
	t.Run("worlds", func(t *testing.T) {
		for i := range (cycles + perWorld - 1) / perWorld {
			seed := seed + uint64(i)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					one := play(t, seed, min(perWorld, cycles-i*perWorld))
					mu.Lock()
					defer mu.Unlock()
					sum.add(one)
				})
			})
		}
	})
	t.Logf("seeds from %d, in %v: %v", seed, time.Since(began).Round(time.Second), &sum)
	if sum.served == 0 {
		t.Error("nobody was served")
	}
	if cycles >= enough {
		sum.expect(t)
	}
}

// expect holds a run of some length against what an average shows: that it has cost little, and that it was a test.
func (t *tally) expect(test *testing.T) {
	test.Helper()
	if leak := t.leak(); leak > mostLeak {
		test.Errorf("leak %.4f, want at most %v", leak, mostLeak)
	}
	if t.told > t.clients/2 {
		test.Errorf("%d of %d clients were reset", t.told, t.clients)
	}
	for _, k := range fakecloud.Kinds() {
		if t.faults[k] == 0 {
			test.Errorf("the fault %q has never happened", k)
		}
	}
}

// play plays one world.
func play(t *testing.T, seed uint64, cycles int) tally {
	w := newWorld(t, seed)
	for range cycles {
		w.cycle()
		if t.Failed() {
			break
		}
	}
	if err := w.cloud.Calm(machine); err != nil {
		t.Error(err)
	}
	w.settle()
	r := w.judge()
	w.end()
	w.cloud.Close()
	if report := w.trace.Check(trace.CheckOptions{}); !report.OK() {
		t.Errorf("its trace breaks a promise: %v", report)
	}
	if n := w.net.Open(); n != 0 {
		t.Errorf("%d ends of connections are open at the end", n)
	}
	if t.Failed() {
		t.Errorf("to replay: CYCLES=%d SEED=%d go test -run TestVirtualCycles ./test/cycles\n%+v\n%+v\n%v", perWorld, seed, w.plan, w.limits, &w.tape)
	}
	w.tally.read(r)
	return w.tally
}

// act is one thing that happens in a cycle.
type act struct {
	at time.Duration
	do func()
}

// cycle is one: clients and faults come, and when all clients have gone the machine goes down.
func (w *world) cycle() {
	w.tally.cycles++
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), 2*toldIn, fmt.Errorf("it took %v", 2*toldIn))
	defer cancel()
	var clients sync.WaitGroup
	var mu sync.Mutex // guards the tally's clients
	acts := w.draw(func(v visit) {
		clients.Go(func() {
			verdict := w.visit(ctx, v)
			mu.Lock()
			defer mu.Unlock()
			w.tally.count(verdict)
		})
	})
	began := time.Now()
	for _, a := range acts {
		time.Sleep(time.Until(began.Add(a.at)))
		a.do()
	}
	clients.Wait()
	w.settle()
	w.judge()
}

func (t *tally) count(v verdict) {
	t.clients++
	switch v {
	case served:
		t.served++
	case left:
		t.left++
	case told:
		t.told++
	}
}

// draw returns what happens in a cycle, in order.
func (w *world) draw(come func(visit)) (acts []act) {
	span := w.plan.Boot + w.plan.Late + w.plan.Halt + w.limits.cooldown
	for range 1 + w.random.IntN(4) {
		v := visit{name: fmt.Sprintf("client %d of cycle %d", len(acts), w.tally.cycles), bytes: w.random.IntN(2000),
			stays: w.between(0, 4*time.Second), way: way(w.random.IntN(int(ways)))}
		if w.one(5) {
			v.bytes = w.random.IntN(150_000)
		}
		if w.one(5) {
			v.stays = w.between(0, 2*w.limits.cooldown)
		}
		if v.bytes == 0 {
			v.bytes = 1 // who sends nothing and ends its side is taken for gone
		}
		acts = append(acts, act{w.between(0, span), func() { come(v) }})
	}
	acts[0].at = 0
	for w.one(2) {
		f := fakecloud.Draw(w.random, w.plan)
		acts = append(acts, act{w.between(0, span), func() { _ = w.cloud.Inject(machine, f) }})
	}
	if w.one(8) {
		acts = append(acts, act{w.between(0, span), w.restart})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	return acts
}

// restart replaces rouse.
func (w *world) restart() {
	w.tally.restarts++
	w.end()
	time.Sleep(w.between(0, time.Second))
	w.begin()
}

// visit is one client's life; it wants the machine until it has ended.
func (w *world) visit(ctx context.Context, v visit) verdict {
	done, err := w.cloud.Need(machine, "clients")
	if err != nil {
		w.t.Error(err)
		return told
	}
	defer done()
	c, err := w.net.DialFrom(ctx, "10.1.1.1", front)
	if err != nil {
		return told // between two lives of rouse nobody listens
	}
	verdict, err := v.run(ctx, c, w.plan.App)
	if err != nil {
		w.t.Errorf("%s (%d bytes, stays %v, way %d): %v", v.name, v.bytes, v.stays, v.way, err)
	}
	return verdict
}

// settle waits until the machine is down and rouse knows it.
func (w *world) settle() {
	for began := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		r, err := w.cloud.Read(w.t.Context(), machine)
		st := w.life.target.Status()
		if err == nil && r.State == fakecloud.Stopped && st.State == target.Stopped && st.Operation == "none" {
			return
		}
		if time.Since(began) > toldIn {
			w.t.Errorf("not down %v after the last client has left: the machine is %s, stranded %v; rouse says %+v", toldIn, r.State, r.Stranded, st)
			return
		}
	}
}

// judge asks the cloud's judge.
func (w *world) judge() fakecloud.Reading {
	r, err := w.cloud.Read(w.t.Context(), machine)
	switch {
	case err != nil:
		w.t.Error(err)
	case r.UnderClient+r.Overlaps+r.StatusOverlaps > 0 || r.StrangerBytes > 0 || r.Stranded || len(r.Problems) > 0 || r.Wanted > 0:
		w.t.Errorf("the judge says, in cycle %d: %+v", w.tally.cycles, r)
	}
	return r
}
