package cycles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/app"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/internal/fakecloud/remote"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

const (
	realCooldown = 50 * time.Millisecond
	// realAllowance is the cooldown, and what a machine with noisy neighbours needs to run hooks, which is more than a machine
	// lives here. So what leaks here is what is left running for longer; the virtual cycles count to the nanosecond.
	realAllowance = realCooldown + time.Second
	realBound     = time.Minute
)

// A yard is the whole daemon in front of a cloud on loopback, whose hooks are processes.
type yard struct {
	t      *testing.T
	cloud  *fakecloud.Cloud
	plan   fakecloud.Plan
	config *config.Config
	random *rand.Rand
	tape   tape
	trace  trace.Memory
	tally  tally

	leaked float64           // seconds, at the end of the last cycle
	faults []fakecloud.Fault // of this cycle

	app  *app.App
	end  context.CancelFunc
	done chan error
}

// TestRealCycles has a harder time than the virtual ones: the kernel's sockets, the loops, processes. It has fewer faults.
func TestRealCycles(t *testing.T) {
	cycles, seed := setting(t, "REAL_CYCLES", 20), uint64(setting(t, "SEED", 1))
	began := time.Now()
	y := openYard(t, seed)
	for range cycles {
		y.cycle()
		if t.Failed() {
			break
		}
	}
	if err := y.cloud.Calm(machine); err != nil {
		t.Error(err)
	}
	y.settle()
	y.tally.read(y.judge())
	y.leave()
	t.Logf("seed %d, in %v: %v", seed, time.Since(began).Round(time.Second), &y.tally)
	if report := y.trace.Check(trace.CheckOptions{Margin: 2 * time.Second}); !report.OK() {
		t.Errorf("its trace breaks a promise: %v", report)
	}
	if y.tally.served == 0 {
		t.Error("nobody was served")
	}
	if leak := y.tally.leak(); leak > mostLeak && cycles >= enough {
		t.Errorf("leak %.4f, want at most %v", leak, mostLeak)
	}
	if t.Failed() {
		t.Errorf("to replay: REAL_CYCLES=%d SEED=%d go test -run TestRealCycles ./test/cycles\n%v", cycles, seed, &y.tape)
	}
}

func openYard(t *testing.T, seed uint64) *yard {
	t.Helper()
	dir := t.TempDir()
	y := &yard{t: t, random: rand.New(rand.NewPCG(seed, 2))}
	y.plan = fakecloud.Plan{
		Name: machine, Address: freePort(t), Moves: true, Boot: 20 * time.Millisecond, Late: 5 * time.Millisecond,
		Halt: 10 * time.Millisecond, Allowance: realAllowance,
	}
	y.cloud = fakecloud.New(fakecloud.Options{Listen: listenTCP, Seed: seed, Record: y.tape.fact})
	if err := y.cloud.Add(y.plan); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "cloud")
	y.serve(socket)
	hook := []string{buildHook(t, dir), "hook", "--socket", socket, "--poll", "5ms", machine}
	address := netip.MustParseAddrPort(y.plan.Address)
	y.config = &config.Config{
		State: filepath.Join(dir, "state"), OnExit: config.OnExitKeep,
		Targets: []config.Target{{
			Name: machine, Backend: config.Backend{Host: address.Addr().String(), Port: address.Port()},
			Hooks: config.Hooks{Start: hook, Stop: hook, Status: hook},
			Probe: config.Probe{Kind: config.ProbeTCP, Settle: 5 * time.Millisecond}, Cooldown: realCooldown,
			StartTimeout: 2 * time.Second, StopTimeout: 5 * time.Second,
		}},
		Routes: []config.Route{{Listen: netip.MustParseAddrPort(freePort(t)), To: config.To{Target: machine}}},
	}
	y.begin()
	return y
}

// freePort is an address of 127.0.0.0/8 whose port nobody uses on any address, as far as can be told.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return fmt.Sprintf("127.77.0.1:%d", ln.Addr().(*net.TCPAddr).Port)
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// serve lets hooks ask the cloud, until the test ends.
func (y *yard) serve(socket string) {
	ln, err := net.Listen("unix", socket)
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- remote.Serve(ctx, y.cloud, ln) }()
	y.t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			y.t.Error(err)
		}
		y.cloud.Close()
	})
}

func buildHook(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "fakecloud")
	if out, err := exec.Command("go", "build", "-o", path, "../fakecloud").CombinedOutput(); err != nil {
		t.Fatalf("building the hook: %v\n%s", err, out)
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask: rouse refuses what others may write to
		t.Fatal(err)
	}
	return path
}

// begin starts a daemon.
func (y *yard) begin() {
	a, err := app.New(app.Options{Config: y.config, Logger: slog.New(slog.DiscardHandler), Sinks: []func(event.Event){y.tape.event, y.trace.Sink}})
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	web := y.config.Targets[0]
	y.trace.Begin(map[string]trace.Settings{machine: {Cooldown: web.Cooldown, StartTimeout: web.StartTimeout, StopTimeout: web.StopTimeout}})
	y.app, y.end, y.done = a, cancel, make(chan error, 1)
	go func() { y.done <- a.Run(ctx) }()
}

// leave ends the daemon; the machine stays as it is.
func (y *yard) leave() {
	y.end()
	if err := <-y.done; err != nil {
		y.t.Errorf("the daemon: %v", err)
	}
	y.trace.End()
	if st := y.app.Status(machine); st.Held+st.Waiting != 0 {
		y.t.Errorf("counts at the end: %+v", st)
	}
}

// cycle is one: clients and faults come, and when all clients have gone the machine goes down.
func (y *yard) cycle() {
	y.tally.cycles++
	ctx, cancel := context.WithTimeoutCause(y.t.Context(), realBound, errors.New("the bound of a client's life is over"))
	defer cancel()
	var clients sync.WaitGroup
	var mu sync.Mutex // guards the tally's clients
	if y.random.IntN(3) == 0 {
		y.fault()
	}
	count := 1 + y.random.IntN(3)
	for i := range count {
		v := visit{name: fmt.Sprintf("client %d of cycle %d", i, y.tally.cycles), bytes: 1 + y.random.IntN(100_000),
			stays: time.Duration(y.random.IntN(200)) * time.Millisecond, way: way(y.random.IntN(int(ways)))}
		clients.Go(func() {
			verdict := y.visit(ctx, v)
			mu.Lock()
			defer mu.Unlock()
			y.tally.count(verdict)
		})
		time.Sleep(time.Duration(y.random.IntN(100)) * time.Millisecond) // the next comes in another phase
	}
	if y.random.IntN(10) == 0 {
		y.tally.restarts++
		y.leave()
		y.begin()
	}
	clients.Wait()
	y.settle()
	y.explain(y.judge())
}

// explain tells which cycle has cost much, and what had been done to it.
func (y *yard) explain(r fakecloud.Reading) {
	leaked := r.Billed - r.Needed
	if d := leaked - y.leaked; d > 0.1 {
		y.t.Logf("cycle %d has leaked %.2f s; faults: %v", y.tally.cycles, d, y.faults)
		if d > 2 { // more than a noisy neighbour takes
			y.t.Logf("how it came:\n%v", &y.tape)
		}
	}
	y.leaked, y.faults = leaked, nil
}

// fault injects one. Those after which rouse pauses for a second, twenty cooldowns, are rare: in the life of a machine that
// is idle for half an hour before it is stopped they cost nothing.
func (y *yard) fault() {
	kinds := []fakecloud.Kind{fakecloud.SlowBoot, fakecloud.LatePort, fakecloud.Flap, fakecloud.Forwarder, fakecloud.StuckStopping,
		fakecloud.Crash, fakecloud.Preempt, fakecloud.AppDies, fakecloud.Stranger, fakecloud.Quota}
	f := fakecloud.Fault{Kind: kinds[y.random.IntN(len(kinds))]}
	if y.random.IntN(20) == 0 {
		f.Kind = []fakecloud.Kind{fakecloud.Stockout, fakecloud.StopFails, fakecloud.Throttle}[y.random.IntN(3)]
	}
	switch f.Kind {
	case fakecloud.Crash, fakecloud.Preempt, fakecloud.AppDies:
		f.For = time.Duration(1+y.random.IntN(400)) * time.Millisecond
	}
	y.faults = append(y.faults, f)
	if err := y.cloud.Inject(machine, f); err != nil {
		y.t.Error(err)
	}
}

func (y *yard) visit(ctx context.Context, v visit) verdict {
	done, err := y.cloud.Need(machine, "clients")
	if err != nil {
		y.t.Error(err)
		return told
	}
	defer done()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", y.config.Routes[0].Listen.String())
	if err != nil {
		if ctx.Err() != nil {
			y.t.Errorf("%s: %v", v.name, err)
		}
		return told // between two daemons nobody listens
	}
	verdict, err := v.run(ctx, conn.(*net.TCPConn), fakecloud.Echo)
	if err != nil {
		y.t.Errorf("%s (%d bytes, stays %v, way %d): %v", v.name, v.bytes, v.stays, v.way, err)
	}
	return verdict
}

// settle waits until the machine is down and rouse knows it.
func (y *yard) settle() {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		r, err := y.cloud.Read(y.t.Context(), machine)
		st := y.app.Status(machine)
		if err == nil && r.State == fakecloud.Stopped && st.State == target.Stopped && st.Operation == "none" {
			return
		}
		if time.Since(began) > realBound {
			y.t.Errorf("not down %v after the last client has left: the machine is %s; rouse says %+v", realBound, r.State, st)
			return
		}
	}
}

// judge asks the cloud's judge.
func (y *yard) judge() fakecloud.Reading {
	r, err := y.cloud.Read(y.t.Context(), machine)
	switch {
	case err != nil:
		y.t.Error(err)
	case r.UnderClient+r.Overlaps+r.StatusOverlaps > 0 || r.StrangerBytes > 0 || r.Stranded || len(r.Problems) > 0 || r.Wanted > 0:
		y.t.Errorf("the judge says, in cycle %d: %+v", y.tally.cycles, r)
	}
	return r
}
