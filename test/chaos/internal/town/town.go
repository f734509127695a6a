//go:build linux

// Package town is one round of chaos: a provider, rouse, clients, and nemeses that break things between them; then
// everything is healed, and the judges speak. It runs inside a cell, which takes away whatever is left.
package town

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/test/chaos/internal/street"
)

const (
	frontAddr  = "198.18.0.1" // rouse
	frontPort  = 8000
	clientsNet = "198.18.1.0/24"
	targetsNet = "198.18.2.0/24"
	machines   = 60 // addresses that the machine may have, one after the other

	hooksDir  = "town-hooks"
	traceFile = "trace.jsonl"
	stateSize = "size=4m"

	startTimeout = 20 * time.Second
	stopTimeout  = 15 * time.Second
	recheck      = 2 * time.Second
	patience     = 60 * time.Second // of a client
	asleepWithin = 90 * time.Second // after all is healed, with the longest backoff that a few faults can bring

	// hookTime is what the meter allows for a stop hook to be run on a busy machine. Cooldowns are so short here that
	// it would count for much; a real one is a thousand times as long.
	hookTime = 150 * time.Millisecond
)

// Options say where a round finds what it needs.
type Options struct {
	Plan   Plan
	Rouse  string // the binary
	Cloud  string // the fakecloud binary
	Dir    string // for what is kept of the round; it is there and empty
	Cgroup string // a control group for rouse's processes; empty: there is none
	Jump   uint64 // address of the variable that is added to rouse's wall clock; 0: there is none
	Tools  Tools
	Talk   bool // tell what happens, as it does
}

// A Town is a round under way.
type Town struct {
	Options
	began   time.Time
	state   string // rouse's state directory, a disk of its own
	clients []*street.House
	front   *street.House // rouse's
	back    *street.House // the machines'
	cloud   *cloud
	rouse   *rouse
	diary   *os.File

	weatherMu sync.Mutex // guards weather
	weather   street.Weather

	mu         sync.Mutex // guards what follows
	complaints []string
}

// tell writes into the town's diary.
func (t *Town) tell(text string) {
	line := fmt.Sprintf("%8.3fs  %s\n", time.Since(t.began).Seconds(), text)
	_, _ = t.diary.WriteString(line)
	if t.Talk {
		fmt.Fprint(os.Stderr, line)
	}
}

// complain adds a violation.
func (t *Town) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.tell("VIOLATION: " + text)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complaints = append(t.complaints, text)
}

// Run is one round. Its error says that the town itself could not do its part.
func Run(ctx context.Context, o Options) (*Result, error) {
	t := &Town{Options: o, began: time.Now()}
	if err := t.open(); err != nil {
		return nil, err
	}
	defer t.close()
	visitors := t.invite(ctx)
	if err := t.unleash(ctx); err != nil {
		return nil, err
	}
	if err := t.heal(); err != nil {
		return nil, err
	}
	verdicts := visitors()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.tell("all clients have ended")
	t.awaitSleep("after the round")
	verdicts = append(verdicts, t.serveOneMore(ctx))
	t.awaitSleep("after the last client")
	reading, err := t.cloud.read()
	if err != nil {
		return nil, err
	}
	t.leave()
	return t.judge(reading, verdicts)
}

// open builds the town.
func (t *Town) open() (err error) {
	if t.diary, err = os.Create(filepath.Join(t.Dir, "diary.txt")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.Dir, "plan.txt"), []byte(t.Plan.String()), 0o644); err != nil {
		return err
	}
	t.state = filepath.Join(t.Dir, "state")
	if err := os.Mkdir(t.state, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("state", t.state, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, stateSize+",mode=700"); err != nil {
		return fmt.Errorf("mounting a disk for the state: %w", err)
	}
	if err := t.build(); err != nil {
		return err
	}
	if err := t.writeHooks(); err != nil {
		return err
	}
	if t.cloud, err = openCloud(t.Options, t.back); err != nil {
		return err
	}
	t.rouse = t.newRouse()
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	if err := t.rouse.start(); err != nil {
		t.cloud.end()
		return err
	}
	t.began = time.Now()
	return nil
}

// build makes the houses.
func (t *Town) build() (err error) {
	if err := street.Pave(); err != nil {
		return err
	}
	for i := range clientHouses {
		house, err := street.Build(fmt.Sprintf("client%d", i), fmt.Sprintf("198.18.1.%d", i+1))
		if err != nil {
			return err
		}
		t.clients = append(t.clients, house)
	}
	var addrs []string
	for i := range machines {
		addrs = append(addrs, fmt.Sprintf("198.18.2.%d", i+1))
	}
	if t.back, err = street.Build("targets", addrs...); err != nil {
		return err
	}
	if t.front, err = street.Build("rouse", frontAddr); err != nil {
		return err
	}
	if t.Plan.Mute && !t.Tools.Missing(filters) {
		return t.back.Set(street.Weather{Mute: true})
	}
	return nil
}

// writeHooks writes the hooks, which are told everything by rouse.
func (t *Town) writeHooks() error {
	dir := filepath.Join(t.Dir, hooksDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' hook --socket '%s' %s\n", t.Cloud, filepath.Join(t.Dir, "cloud.sock"), machine)
	for _, name := range []string{"start", "stop", "status"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (t *Town) newRouse() *rouse {
	hooks := filepath.Join(t.Dir, hooksDir)
	args := []string{
		"--target-name=" + machine, "--target-ip=" + t.back.Addr, fmt.Sprintf("--target-port=%d", machinePort),
		"--proxy-ip=" + frontAddr, fmt.Sprintf("--proxy-port=%d", frontPort),
		"--hook-start-svc=" + filepath.Join(hooks, "start"), "--hook-stop-svc=" + filepath.Join(hooks, "stop"),
		"--cooldown-period=" + t.Plan.Cooldown.String(), "--start-timeout=" + startTimeout.String(), "--stop-timeout=" + stopTimeout.String(),
		"--recheck-period=" + recheck.String(), "--drain-timeout=" + t.Plan.Drain.String(), "--state-dir=" + t.state,
		fmt.Sprintf("--release-rate=%d", t.Plan.Release),
		"--trace=" + filepath.Join(t.Dir, traceFile), "--log-format=json", "--log-level=debug",
	}
	if t.Plan.Status {
		args = append(args, "--hook-status="+filepath.Join(hooks, "status"))
	}
	if t.Plan.StopsAtExit {
		args = append(args, "--on-exit=stop")
	}
	return &rouse{binary: t.Rouse, args: args, house: t.front, dir: t.Dir, cgroup: t.Cgroup, tell: t.tell}
}

// unleash lets the nemeses at work, and returns when all have been healed.
func (t *Town) unleash(ctx context.Context) error {
	var work sync.WaitGroup
	errs := make(chan error, len(t.Plan.Acts))
	for _, a := range t.Plan.Acts {
		if t.Tools.Missing(nemeses[a.Nemesis].tool) {
			continue
		}
		work.Go(func() {
			if err := t.run(ctx, a); err != nil {
				errs <- err
			}
		})
	}
	work.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// heal takes back what has not happened yet. The rest has been healed by whoever did it.
func (t *Town) heal() error {
	if err := t.cloud.calm(); err != nil {
		return fmt.Errorf("calming the cloud: %w", err)
	}
	t.tell("all is healed")
	return nil
}

// leave ends rouse.
func (t *Town) leave() {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	if err := t.rouse.end(); err != nil {
		t.complain("%v", err)
	}
}

// close ends what still runs.
func (t *Town) close() {
	t.rouse.mu.Lock()
	t.rouse.wanted = false
	t.rouse.mu.Unlock()
	if t.rouse.pid() != 0 {
		t.rouse.kill()
	}
	t.cloud.end()
	_ = t.diary.Close()
}
