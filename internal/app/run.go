package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// running is what an App has while it runs.
type running struct {
	living    context.Context // of the targets
	accepting context.Context
	serving   context.Context
	lives     *sync.WaitGroup
	serves    sync.WaitGroup
	ended     chan ending
	served    map[*listener]bool // those whose clients are not all gone; guarded by App.mu
}

type ending struct {
	listener *listener
	err      error
}

// Run serves until ctx ends, then drains and ends. It may be called once.
func (a *App) Run(ctx context.Context) error {
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	if a.trace != nil {
		go a.trace.Run() // close ends it
	}
	a.history.Start() // so it does this
	if a.loops != nil {
		a.loops.Start()
	}
	var lives sync.WaitGroup
	if a.exporter != nil {
		lives.Go(func() { a.exporter.Run(living) })
	}
	if a.notifier != nil {
		lives.Go(func() { a.notifier.Run(living) })
	}
	err := a.serve(ctx, living, &lives)
	if a.loops != nil {
		a.loops.Stop()
	}
	if a.config().OnExit == config.OnExitStop {
		err = errors.Join(err, a.stopTargets())
	}
	die()
	lives.Wait()
	a.logger.Info("ended")
	return errors.Join(err, a.close())
}

// serve runs the targets and the listeners until ctx ends and the clients have drained. A
// listener that ends by itself ends the others.
func (a *App) serve(ctx, living context.Context, lives *sync.WaitGroup) error {
	accepting, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	serving, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	r := &running{living: living, accepting: accepting, serving: serving, lives: lives, ended: make(chan ending), served: map[*listener]bool{}}
	a.logger.Info("limit of clients", "clients", a.slots.Cap(), "open-files", gate.DescriptorLimit())
	a.begin(r)
	defer r.serves.Wait()
	var errs []error
	var drained <-chan time.Time
	draining := accepting.Done()
	for a.left() > 0 || accepting.Err() == nil {
		select {
		case e := <-r.ended:
			if a.gone(e.listener) {
				errs = append(errs, e.err)
				stopAccepting()
			}
		case <-draining:
			draining = nil
			a.endReloads()
			drained = time.After(a.config().Drain)
			a.logDrain(context.Cause(ctx))
		case <-drained:
			drained = nil
			cut(errDrained)
		}
	}
	return errors.Join(errs...)
}

// begin starts what New has built.
func (a *App) begin(r *running) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	a.mu.Lock()
	a.run = r
	a.mu.Unlock()
	for _, t := range a.cfg.Targets {
		a.parts[t.Name].needs.atBoot(t.Needs)
	}
	for _, t := range a.cfg.Targets {
		a.parts[t.Name].start(r.living, r.lives)
		a.holdAgain(a.parts[t.Name])
		a.maintainAgain(a.parts[t.Name])
	}
	a.repause()
	for i, route := range a.cfg.Routes {
		a.serveOne(a.listeners[keyOf(i, route)])
	}
	a.listenAdmin(r.accepting, r)
	r.lives.Go(func() { a.watchLists(r.accepting) })
	r.lives.Go(func() { a.watchTraffic(r.living) })
	r.lives.Go(func() { a.tuneAll(r.living) })
	if a.opts.Fingerprint != nil {
		r.lives.Go(func() { a.watchConfig(r.accepting) })
	}
}

// serveOne serves the clients of a listener until it is closed, or accepting ends.
func (a *App) serveOne(l *listener) {
	r := a.run
	a.mu.Lock()
	r.served[l] = true
	a.mu.Unlock()
	for _, name := range targetsOf(l.route) {
		a.logger.Info("listening for clients", "address", l.Addr().String(), "target", name)
	}
	r.serves.Go(func() { r.ended <- ending{l, l.proxy.Serve(r.accepting, r.serving, l.Listener)} })
}

// left is how many listeners have clients, or may get some.
func (a *App) left() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.run.served)
}

// endReloads waits for a reload that began before accepting ended: the listeners that it opens are waited for, too. No other
// one begins.
func (a *App) endReloads() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
}

// gone notes the end of a listener, and says whether that ends rouse.
func (a *App) gone(l *listener) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.run.served, l)
	return !l.away
}

// targetsOf returns the names of the targets to which a route leads.
func targetsOf(r config.Route) (names []string) {
	if r.Target != "" {
		names = append(names, r.Target)
	}
	for _, c := range r.Choices {
		if !slices.Contains(names, c.Target) {
			names = append(names, c.Target)
		}
	}
	return names
}

func (a *App) logDrain(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, p := range a.parts {
		st := p.target.Status()
		a.logger.Info("ending", "cause", cause, "target", name, "state", st.State.String(),
			"clients", st.Held, "waiting", st.Waiting, "drain", a.cfg.Drain, "on-exit", string(a.cfg.OnExit))
	}
}
