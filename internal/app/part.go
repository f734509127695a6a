package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	osexec "os/exec"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
)

// part is one target with what was built for it.
type part struct {
	cfg    config.Target
	driver *exec.Driver
	prober *probe.Prober
	target *target.Target
	blame  *proxy.Blame
	logger *slog.Logger
}

// addTarget builds the target that t describes.
func (a *App) addTarget(t config.Target) error {
	drv, err := exec.New(exec.Options{
		Target: t.Name, Start: t.Hooks.Start, Stop: t.Hooks.Stop, Status: t.Hooks.Status, Ready: t.Probe.Command,
		Dir: a.store.Path(), Stem: state.Stem(t.Name), Env: environment(t.Hooks.Env), Logger: a.logger,
		Told: func(r exec.HookRun) { a.tellHook(t.Name, r) },
	})
	if err != nil {
		return fmt.Errorf("target %q: %w", t.Name, err)
	}
	for _, v := range t.Hooks.Env {
		if _, set := os.LookupEnv(v.Name); !set && v.Inherit {
			a.logger.Warn("a variable that hooks are to get is not set", "target", t.Name, "variable", v.Name)
		}
	}
	p := &part{cfg: t, driver: drv, blame: proxy.NewBlame(), logger: a.logger}
	p.prober, err = probe.New(probe.Options{
		Kind: string(t.Probe.Kind), Path: t.Probe.Path, Expect: t.Probe.Expect, Settle: t.Probe.Settle, Allow: a.allow,
		Command: func(ctx context.Context, address string) error {
			return verdict(drv.Ready(ctx, driver.Op{Epoch: p.target.Status().Epoch, Reason: "probe", Address: address}))
		},
	})
	if err != nil {
		return fmt.Errorf("target %q: %w", t.Name, err)
	}
	p.target, err = target.New(target.Options{
		Name: t.Name, Address: t.Backend.Address(), Driver: drv.Driver(), Prober: p.prober, Store: a.store,
		Cooldown: t.Cooldown, StartTimeout: t.StartTimeout, StopTimeout: t.StopTimeout, Look: cmp.Or(t.Recheck, -1),
		Events: a.events, Logger: a.logger,
	})
	if err != nil {
		return err
	}
	a.parts[t.Name] = p
	return nil
}

// environment returns the variables as the driver wants them.
func environment(vars []config.Variable) []string {
	var entries []string
	for _, v := range vars {
		entries = append(entries, v.Entry())
	}
	return entries
}

// verdict tells a readiness command that has said no, or has not answered in time,
// from one that could not be run.
func verdict(err error) error {
	_, exited := errors.AsType[*osexec.ExitError](err)
	if err == nil || exited || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", probe.ErrCannotAsk, err)
}

// run gives the target its life until ctx ends.
func (p *part) run(ctx context.Context) {
	var lives sync.WaitGroup
	lives.Go(func() { p.driver.Run(ctx) })
	if err := p.target.Run(ctx); err != nil {
		p.logger.Error("a target ended badly", "target", p.cfg.Name, "err", err)
	}
	lives.Wait()
}

// patience is the longest that one client can wait: a stop that is under way, a
// start, and what lies between.
func (p *part) patience() time.Duration {
	return p.cfg.StopTimeout + p.cfg.StartTimeout + time.Minute
}

// retire stops the target. It gives up after the stop timeout, and a start that is
// under way is waited for before.
func (p *part) retire() error {
	limit := p.cfg.StopTimeout
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
		} {
			if len(h.argv) > 0 {
				f(fmt.Sprintf("targets[%d].%s", i, h.path), h.argv[0])
			}
		}
	}
}
