package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/schedule"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
)

// part is one target with what was built for it.
type part struct {
	mu     sync.Mutex // guards cfg, which a reload changes
	cfg    config.Target
	gear   *gear // in force; of who starts, reloads and ends
	target *target.Target
	blame  *proxy.Blame
	quiet  *proxy.Traffic
	meter  relay.Meter
	upkeep upkeep
	chosen chosen
	seats  *gate.Seats  // nil: as many clients as come
	budget *gate.Budget // what it spends is counted whether or not it is bounded: a reload may bound it
	needs  *needs
	logger *slog.Logger

	life    context.Context // of its goroutines
	end     context.CancelFunc
	done    chan struct{} // closed when it has ended
	lives   sync.WaitGroup
	unwear  context.CancelFunc // ends what runs for the gear
	staying context.CancelFunc // ends its leaving; nil: it does not leave
	hand    hand
}

// config returns the settings in force.
func (p *part) config() config.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg
}

// gearNow returns the gear in force.
func (p *part) gearNow() *gear {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gear
}

// gear is what a part has of its settings, and gets anew with others.
type gear struct {
	driver *exec.Driver
	prober *probe.Prober
	busy   func(context.Context, driver.Op) (bool, error) // nil: nobody is asked
	always *schedule.Schedule                             // when it is kept awake
	never  *schedule.Schedule                             // when nobody wakes it
	exempt *gate.List                                     // of its budget; nil: nobody
}

// newPart builds the target that t describes.
func (a *App) newPart(t config.Target) (*part, error) {
	p := &part{cfg: t, blame: proxy.NewBlame(), quiet: proxy.NewTraffic(), logger: a.logger, needs: &needs{app: a, by: t.Name, holds: map[string]*target.Hold{}}}
	p.quiet.Limit(t.NoTraffic)
	a.chosenBefore(p)
	p.budget = gate.NewBudget(a.budgetOptions(t))
	var err error
	if p.gear, err = a.newGear(func() uint64 { return p.target.Status().Epoch }, t); err != nil {
		return nil, err
	}
	if t.MaxConnections > 0 {
		p.seats = gate.NewSeats(t.MaxConnections)
	}
	if p.target, err = target.New(a.settings(p, t, p.gear)); err != nil {
		return nil, err
	}
	return p, nil
}

// newGear builds what t says. epoch is that of the run of the target.
func (a *App) newGear(epoch func() uint64, t config.Target) (*gear, error) {
	g := &gear{}
	var err error
	g.driver, err = exec.New(exec.Options{
		Target: t.Name, Start: t.Hooks.Start, Stop: t.Hooks.Stop, Status: t.Hooks.Status, Ready: t.Probe.Command, Busy: t.Busy.Command,
		Dir: a.store.Path(), Stem: state.Stem(t.Name), Env: environment(t.Hooks.Env), Logger: a.logger,
		Told: func(r exec.HookRun) { a.tellHook(t.Name, r) },
	})
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.Name, err)
	}
	for _, v := range t.Hooks.Env {
		if _, set := os.LookupEnv(v.Name); !set && v.Inherit {
			a.logger.Warn("a variable that hooks are to get is not set", "target", t.Name, "variable", v.Name)
		}
	}
	if g.prober, err = a.prober(epoch, t, g); err == nil {
		g.busy, err = a.busy(t, g)
	}
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.Name, err)
	}
	if g.always, err = schedule.New(windows(t.AlwaysOn)); err == nil {
		g.never, err = schedule.New(windows(t.NeverWake))
	}
	if err == nil {
		g.exempt, err = listOf(t.Budget.Exempt)
	}
	if t.Budget.Exempt.Any {
		g.exempt = everybody
	}
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.Name, err)
	}
	return g, nil
}

// settings are those of the target.
func (a *App) settings(p *part, t config.Target, g *gear) target.Options {
	opts := target.Options{
		Name: t.Name, Address: t.Backend.Address(), Driver: g.driver.Driver(), Prober: g.prober, Store: a.store,
		Cooldown: p.cooldownOf(t), StartTimeout: t.StartTimeout, StopTimeout: t.StopTimeout, Look: cmp.Or(t.Recheck, -1), MinUptime: t.MinUptime,
		LongestPause: t.Retry.LongestPause, Backoff: t.Retry.Pause, RefuseAfter: refuseAfter(t.Retry), CrashLoop: target.CrashLoop(t.CrashLoop),
		Veto:   target.Veto{Ask: g.busy, Every: t.Busy.Every, AtMost: t.Busy.AtMost},
		Budget: p.budget, NeverWake: func() error { return shut(g.never) }, Rested: p.needs.release, Events: a.events, Logger: a.logger,
	}
	if len(t.Needs) > 0 {
		opts.Driver = chain(opts.Driver, p.needs)
		for _, name := range t.Needs {
			if other := a.config().Named(name); other != nil {
				opts.StartTimeout += other.StopTimeout + other.StartTimeout // it begins once they are up
			}
		}
	}
	return opts
}

// windows turns those of the config, which are checked, into those of a schedule.
func windows(all []config.Window) []schedule.Window {
	var windows []schedule.Window
	for _, w := range all {
		windows = append(windows, schedule.Window(w))
	}
	return windows
}

// environment returns the variables as the driver wants them.
func environment(vars []config.Variable) []string {
	var entries []string
	for _, v := range vars {
		entries = append(entries, v.Entry())
	}
	return entries
}

// start gives the part its life within ctx.
func (p *part) start(ctx context.Context, lives *sync.WaitGroup) {
	p.life, p.end = context.WithCancel(ctx)
	p.done = make(chan struct{})
	lives.Go(p.run)
	p.wear(p.gear)
}

// run ends when the part's life does.
func (p *part) run() {
	defer close(p.done)
	p.lives.Go(func() { p.budget.Keep(p.life.Done()) })
	if err := p.target.Run(p.life); err != nil {
		p.logger.Error("a target ended badly", "target", p.target.Name(), "err", err)
	}
	p.lives.Wait()
}

// wear puts gear in force: what runs for the one before ends.
func (p *part) wear(g *gear) {
	if p.unwear != nil {
		p.unwear()
	}
	var worn context.Context
	worn, p.unwear = context.WithCancel(p.life)
	p.mu.Lock()
	p.gear = g
	p.mu.Unlock()
	p.lives.Go(func() { g.driver.Run(worn) })
	p.lives.Go(func() { p.keepWindows(worn, g.always) })
}

// patience is the longest that one client can wait: a stop that is under way, a
// start, and what lies between.
func (p *part) patience() time.Duration {
	wait := p.cfg.StopTimeout + p.cfg.StartTimeout + time.Minute
	for _, name := range p.cfg.Needs {
		if other := p.needs.app.config().Named(name); other != nil {
			wait += other.StopTimeout + other.StartTimeout
		}
	}
	return wait
}

// retire stops the target. It gives up after the stop timeout, and a start that is
// under way is waited for before; so are, for a time, those who need it.
func (p *part) retire(after time.Duration) error {
	limit := p.cfg.StopTimeout + after
	if p.target.Status().State == target.Starting {
		limit += p.cfg.StartTimeout
	}
	p.logger.Info("stopping the target before the end", "target", p.cfg.Name, "for-at-most", limit)
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit,
		fmt.Errorf("target %q may still be running, and the next run of rouse will find it", p.cfg.Name))
	defer cancel()
	return p.target.Retire(ctx)
}

// InspectHooks finds everything that is wrong with the hooks of cfg on disk, before
// anything runs. Each problem stands at the path of its value in cfg.
func InspectHooks(cfg *config.Config) config.Problems {
	var problems config.Problems
	eachHook(cfg, func(path, program string) {
		if _, err := exec.Inspect(program); err != nil { // the driver tells the warnings
			problems = append(problems, config.Problem{Where: path, Text: err.Error()})
		}
	})
	return problems
}

// DoubtHooks finds what may not have been meant with the hooks of cfg, as the driver tells it when they are used.
func DoubtHooks(cfg *config.Config) config.Problems {
	var doubts config.Problems
	eachHook(cfg, func(path, program string) {
		warnings, _ := exec.Inspect(program)
		for _, w := range warnings {
			doubts = append(doubts, config.Problem{Where: path, Text: w})
		}
	})
	return doubts
}

// InspectFiles finds who else could put another file in the place of one of the config, which says what programs are run.
func InspectFiles(files []string) (problems, doubts config.Problems) {
	for _, file := range files {
		warnings, err := exec.Guard(file)
		if err != nil {
			problems = append(problems, config.Problem{Where: file, Text: err.Error()})
		}
		for _, w := range warnings {
			doubts = append(doubts, config.Problem{Where: file, Text: w})
		}
	}
	return problems, doubts
}

// eachHook calls f with the path in cfg of each command that is there, and the program.
func eachHook(cfg *config.Config, f func(path, program string)) {
	for i, t := range cfg.Targets {
		for _, h := range []struct {
			path string
			argv []string
		}{
			{"hooks.start", t.Hooks.Start},
			{"hooks.stop", t.Hooks.Stop},
			{"hooks.status", t.Hooks.Status},
			{"probe.command", t.Probe.Command},
			{"busy.command", t.Busy.Command},
		} {
			if len(h.argv) > 0 {
				f(fmt.Sprintf("targets[%d].%s", i, h.path), h.argv[0])
			}
		}
	}
}
