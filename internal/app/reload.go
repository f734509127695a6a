package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/target"
)

// errNoFile is why nothing can be reloaded.
var errNoFile = errors.New("this rouse runs by flags, and has no config file to read again: restart it")

// A Report says what a reload has changed.
type Report struct {
	Added, Changed, Removed []string // targets, by name
	Listeners               int      // that were opened, closed, or lead elsewhere
	Kept                    []string // settings that differ and stay as they were until a restart
	Warnings                []string // what is right, and may not have been meant
}

// Reread reads the config again and puts it in force. After an error nothing has changed. cause says who wants it.
func (a *App) Reread(cause string) (Report, error) {
	if a.opts.Reread == nil {
		return Report{}, errNoFile
	}
	a.rereading.Lock()
	defer a.rereading.Unlock()
	cfg, doubts, err := a.opts.Reread()
	var r Report
	if err == nil {
		r, err = a.Reload(cfg)
	}
	if err != nil {
		a.logger.Error("the config is not reloaded, and what was in force stays", "cause", cause, "err", err)
		return r, err
	}
	a.logger.Info("the config is reloaded", "cause", cause, "added", r.Added, "changed", r.Changed, "removed", r.Removed, "listeners", r.Listeners)
	TellDoubts(a.logger, doubts)
	for _, d := range doubts {
		r.Warnings = append(r.Warnings, d.String())
	}
	for _, kept := range r.Kept {
		a.logger.Warn("a setting stays as it was until rouse is restarted", "setting", kept)
	}
	return r, nil
}

// TellDoubts logs what may not have been meant with a config.
func TellDoubts(logger *slog.Logger, doubts config.Problems) {
	for _, d := range doubts {
		logger.Warn("the config may not say what was meant", "place", d.Where, "reason", d.Text, "hint", d.Hint)
	}
}

// Reload puts another config in force. Everything that can fail is built first; then it is swapped. A target that has not changed
// keeps all; one that has gets its new settings when no operation runs; one that is gone is led to by nobody any more, keeps
// its clients, cools down, is stopped, and is forgotten. A listener whose address stays is not closed.
func (a *App) Reload(cfg *config.Config) (Report, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.run == nil || a.run.accepting.Err() != nil {
		return Report{}, fmt.Errorf("reloading: %w", target.ErrEnding)
	}
	if problems := InspectHooks(cfg); len(problems) > 0 {
		return Report{}, problems
	}
	c := &change{app: a, cfg: cfg, old: a.cfg, parts: map[string]*part{}, gears: map[string]*gear{}, listeners: map[string]*listener{}, routes: map[string]config.Route{}, plans: map[*listener]*proxy.Plan{}}
	a.swapConfig(cfg) // what is built asks for the settings of others
	err := c.build()
	if err != nil {
		a.swapConfig(c.old)
		c.undo()
		return Report{}, err
	}
	return c.swap(), nil
}

func (a *App) swapConfig(cfg *config.Config) {
	a.mu.Lock()
	a.cfg = cfg
	a.mu.Unlock()
}

// change is one reload.
type change struct {
	app       *App
	cfg, old  *config.Config
	parts     map[string]*part          // in the new config
	added     []string                  // of those
	gears     map[string]*gear          // of those that change
	listeners map[string]*listener      // in the new config
	opened    []*listener               // of those
	routes    map[string]config.Route   // likewise
	plans     map[*listener]*proxy.Plan // of those that lead elsewhere
}

// build does everything that can fail.
func (c *change) build() error {
	for _, t := range c.cfg.Targets {
		if err := c.buildPart(t); err != nil {
			return err
		}
	}
	for i, r := range c.cfg.Routes {
		if err := c.buildListener(keyOf(i, r), r); err != nil {
			return err
		}
	}
	return refuseLoops(c.cfg, c.listeners)
}

func (c *change) buildPart(t config.Target) error {
	p := c.app.parts[t.Name]
	if p == nil {
		fresh, err := c.app.newPart(t)
		if err != nil {
			return err
		}
		c.parts[t.Name], c.added = fresh, append(c.added, t.Name)
		return nil
	}
	c.parts[t.Name] = p
	if reflect.DeepEqual(p.cfg, t) && !c.needsChanged(t) {
		return nil
	}
	g, err := c.app.newGear(func() uint64 { return p.target.Status().Epoch }, t)
	c.gears[t.Name] = g
	return err
}

// needsChanged says whether those have other times that a target needs: its own depend on them.
func (c *change) needsChanged(t config.Target) bool {
	return slices.ContainsFunc(t.Needs, func(name string) bool { return !reflect.DeepEqual(c.old.Named(name), c.cfg.Named(name)) })
}

func (c *change) buildListener(key string, r config.Route) error {
	c.routes[key] = r
	l := c.app.listeners[key]
	same := l != nil && reflect.DeepEqual(l.route, r)
	for _, name := range targetsOf(r) {
		same = same && c.gears[name] == nil && !slices.Contains(c.added, name)
	}
	if same {
		c.listeners[key] = l
		return nil
	}
	plan, err := c.app.plan(r, c.dressed())
	if err != nil {
		return err
	}
	if l == nil {
		if l, err = c.app.listen(r, plan); err != nil {
			return err
		}
		c.opened = append(c.opened, l)
	} else {
		c.plans[l] = plan
	}
	c.listeners[key] = l
	return nil
}

// dressed returns the parts as they will be: lanes are built of settings that are not in force yet.
func (c *change) dressed() map[string]*part {
	parts := maps.Clone(c.parts)
	for name, g := range c.gears {
		p := parts[name]
		t := *c.cfg.Named(name)
		parts[name] = &part{cfg: t, gear: g, target: p.target, blame: p.blame, quiet: p.quiet, seats: seatsOf(p, t), needs: p.needs, logger: p.logger}
	}
	return parts
}

// seatsOf returns those of a part with other settings: the same ones, if it has any, since clients sit on them.
func seatsOf(p *part, t config.Target) *gate.Seats {
	switch {
	case t.MaxConnections == 0:
		return nil
	case p.seats == nil:
		p.seats = gate.NewSeats(t.MaxConnections)
	}
	return p.seats
}

// undo closes what was opened for nothing.
func (c *change) undo() {
	for _, l := range c.opened {
		_ = l.Close()
	}
}

// swap puts everything in force. It cannot fail.
func (c *change) swap() Report {
	a := c.app
	if a.trace != nil {
		a.trace.Reloaded(traced(c.cfg))
	}
	r := Report{Added: c.added, Listeners: len(c.opened) + len(c.plans), Kept: c.kept()}
	gone := map[string]*part{}
	a.mu.Lock()
	for name, p := range a.parts {
		if c.parts[name] == nil {
			gone[name] = p
			c.parts[name] = p // until it is stopped
		}
	}
	before := a.listeners
	a.parts, a.listeners = c.parts, c.listeners
	a.mu.Unlock()
	for _, name := range c.added {
		a.parts[name].needs.atBoot(a.parts[name].cfg.Needs)
		a.parts[name].start(a.run.living, a.run.lives)
	}
	for name, g := range c.gears {
		r.Changed = append(r.Changed, name)
		c.adopt(a.parts[name], *c.cfg.Named(name), g)
	}
	c.swapListeners(before, &r)
	for name, p := range c.parts {
		switch {
		case gone[name] != nil && p.staying == nil:
			r.Removed = append(r.Removed, name)
			a.leave(p)
		case gone[name] == nil && p.staying != nil: // it is back before it has gone
			p.staying()
			p.staying = nil
			if c.gears[name] == nil {
				p.wear(p.gear)
			}
			r.Changed = append(r.Changed, name)
		}
	}
	a.slots.Limit(a.room())
	for _, names := range [][]string{r.Added, r.Changed, r.Removed} {
		slices.Sort(names)
	}
	return r
}

// adopt puts the new settings of a target in force.
func (c *change) adopt(p *part, t config.Target, g *gear) {
	p.budget.Limit(c.app.budgetOptions(t))
	p.quiet.Limit(t.NoTraffic)
	if seats := seatsOf(p, t); seats != nil {
		seats.Limit(t.MaxConnections)
	}
	p.mu.Lock()
	p.cfg = t
	p.mu.Unlock()
	p.wear(g)
	if err := p.target.Change(c.app.settings(p, t, g)); err != nil {
		c.app.logger.Error("a target keeps its old settings", "target", t.Name, "err", err)
	}
}

// swapListeners leads where the new config says, opens first, and closes then.
func (c *change) swapListeners(before map[string]*listener, r *Report) {
	a := c.app
	a.mu.Lock()
	for key, l := range c.listeners {
		if was, is := l.route.Socket, c.routes[key].Socket; was.Path != "" && was.Mode != is.Mode {
			if err := os.Chmod(is.Path, is.Mode); err != nil {
				a.logger.Error("a socket keeps its mode", "address", is.Path, "err", err)
			}
		}
		l.route = c.routes[key]
		if plan := c.plans[l]; plan != nil {
			l.plan = plan
			l.proxy.Change(plan)
		}
	}
	a.mu.Unlock()
	for _, l := range c.opened {
		a.serveOne(l)
	}
	for key, l := range before {
		if c.listeners[key] == nil {
			r.Listeners++
			a.mu.Lock()
			l.away = true
			a.mu.Unlock()
			l.proxy.Close()
			a.logger.Info("listening no more", "address", l.Addr().String())
		}
	}
}

// leaveBeat is how often it is looked whether a target that is gone from the config has stopped.
const leaveBeat = time.Second

// leave lets a target go: nobody is led to it any more, and what kept it awake ends. Once it is stopped it is forgotten.
func (a *App) leave(p *part) {
	ctx, stay := context.WithCancel(p.life)
	p.staying = stay
	p.hand.drop()
	p.unwear()
	a.run.lives.Go(func() {
		defer stay()
		for ctx.Err() == nil {
			if st := p.target.Status(); st.State == target.Stopped && st.Held+st.Waiting == 0 && a.forget(ctx, p) {
				return
			}
			rest(ctx, leaveBeat)
		}
	})
}

// forget ends the life of a target that is stopped, unless it is back.
func (a *App) forget(ctx context.Context, p *part) bool {
	if !a.reloading.TryLock() {
		return false // the next look comes
	}
	defer a.reloading.Unlock()
	if ctx.Err() != nil {
		return true
	}
	name := p.target.Name()
	a.mu.Lock()
	delete(a.parts, name)
	a.mu.Unlock()
	p.end()
	<-p.done
	if err := a.store.Remove(name, gate.LedgerKind, holdKind); err != nil {
		a.logger.Warn("a target that is no longer configured leaves its state behind", "target", name, "err", err)
	}
	a.logger.Info("a target that is no longer configured is stopped and forgotten", "target", name)
	return true
}

// watchLists reads files of networks again that have changed.
func (a *App) watchLists(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, listBeat)
		a.mu.Lock()
		var plans []*proxy.Plan
		for _, l := range a.listeners {
			plans = append(plans, l.plan)
		}
		a.mu.Unlock()
		for _, p := range plans {
			for _, err := range reloadLists(p) {
				a.logger.Error("a list of networks stays as it was", "err", err)
			}
		}
	}
}

const (
	configBeat = time.Second            // how often it is looked whether the config has changed
	quietTime  = 500 * time.Millisecond // for which it must then have stayed as it is: editors write in several steps
)

// watchConfig reloads when the config has changed.
func (a *App) watchConfig(ctx context.Context) {
	last := a.opts.Fingerprint()
	for ctx.Err() == nil {
		rest(ctx, configBeat)
		now := a.opts.Fingerprint()
		if now == last || ctx.Err() != nil {
			continue
		}
		for again := ""; again != now && ctx.Err() == nil; {
			again = now
			rest(ctx, quietTime)
			now = a.opts.Fingerprint()
		}
		last = now
		_, _ = a.Reread("the config has changed") // it has said what came of it
	}
}
