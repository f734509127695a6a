// Package app builds the daemon from a config and starts and stops it in order.
// New does everything that can fail before it touches a target: it inspects the
// hooks, locks the state directory and binds the listeners. Run then owns it all
// until its context ends: accepting ends first, clients drain, targets are left as
// they are or stopped, and what was opened is closed in reverse order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/state"
	"github.com/rouse-proxy/rouse/internal/target"
	"github.com/rouse-proxy/rouse/internal/trace"
)

// errDrained is why clients are cut that outstay the drain.
var errDrained = errors.New("rouse is ending and its drain timeout has passed")

// storeTimeout is how long the end waits for a disk that may be dead.
const storeTimeout = 2 * time.Second

// Options say what to run. Config is needed.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger
	Version string              // of the program, for the trace
	Sinks   []func(event.Event) // told of every event, beside the log
}

// An App is the daemon.
type App struct {
	cfg       *config.Config
	logger    *slog.Logger
	events    *event.Log
	store     *state.Dir
	trace     *trace.Writer    // nil: none is wanted
	parts     map[string]*part // by target name
	loops     *loop.Group      // nil where there are none
	slots     *gate.Slots
	listeners []*listener
	cleanups  []func() error // run backwards by close
}

// listener is one bound address and who serves it.
type listener struct {
	net.Listener
	target string
	proxy  *proxy.Listener
}

// New builds the daemon. An error that wraps [config.Problems] is about the config;
// every other is about this machine. Nothing is left open after an error.
func New(opts Options) (_ *App, err error) {
	a := &App{cfg: opts.Config, logger: opts.Logger, parts: map[string]*part{}}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if problems := InspectHooks(a.cfg); len(problems) > 0 {
		return nil, problems
	}
	if err := a.openState(); err != nil {
		return nil, err
	}
	if err := a.openEvents(opts); err != nil {
		return nil, err
	}
	for _, t := range a.cfg.Targets {
		if err := a.addTarget(t); err != nil {
			return nil, err
		}
	}
	if err := a.openLoops(); err != nil {
		return nil, err
	}
	if err := a.listen(); err != nil {
		return nil, err
	}
	if err := a.refuseLoops(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) openState() error {
	dir, err := a.cfg.StateDir(os.Getenv)
	if err != nil {
		return err
	}
	if a.store, err = state.Open(dir); err != nil {
		return err
	}
	a.onClose(a.closeStore)
	var known []string
	for _, t := range a.cfg.Targets {
		known = append(known, t.Name)
	}
	orphans, err := a.store.Others(known)
	if err != nil {
		a.logger.Warn("cannot read the state of targets that are no longer configured", "err", err)
	}
	for _, r := range orphans {
		a.logger.Warn("a target that is no longer configured may still be running; stop it by hand, then remove its state file",
			"target", r.Target, "since", r.Since, "state", a.store.Path())
	}
	return nil
}

// closeStore gives the state directory up. A disk that does not answer must not keep
// rouse from ending: the lock ends with the process anyway.
func (a *App) closeStore() error {
	closed := make(chan error, 1)
	go func() { closed <- a.store.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(storeTimeout):
		return fmt.Errorf("closing state directory %q: the disk does not answer", a.store.Path())
	}
}

func (a *App) listen() error {
	a.openSlots()
	for _, r := range a.cfg.Routes {
		p := a.parts[r.Target]
		lc := net.ListenConfig{KeepAliveConfig: relay.KeepAlive()} // for those who wait; the relay sets its own
		// Of a multipath connection the kernel tells too little: a client that leaves while it waits would not be seen.
		lc.SetMultipathTCP(false)
		network := "tcp" // with the IPv6 wildcard: every address
		if r.Listen.Addr().Is4() {
			network = "tcp4" // 0.0.0.0 must not open a door in IPv6 as well
		}
		ln, err := lc.Listen(context.Background(), network, r.Listen.String())
		if err != nil {
			return fmt.Errorf("listening for clients: %w%s", err, listenHint(err))
		}
		a.onClose(func() error { _ = ln.Close(); return nil }) // Serve has closed it in the ordinary course
		a.listeners = append(a.listeners, &listener{ln, r.Target, proxy.New(proxy.Options{
			Target: p.target, Port: r.Port, Blame: p.blame, Dial: p.prober.Dial, Slots: a.slots,
			Patience: p.patience(), ReleaseRate: p.cfg.ReleaseRate, Events: a.events, Logger: a.logger,
			Loops: a.loops, Spare: spareDials(len(a.cfg.Routes)), Direct: (&guide{app: a}).direct,
		})})
	}
	return nil
}

// Addrs returns the addresses that clients can use, in the order of the routes.
func (a *App) Addrs() []net.Addr {
	var addrs []net.Addr
	for _, l := range a.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// Status returns a picture of the named target; the zero Status for an unknown name.
func (a *App) Status(name string) target.Status {
	if p, ok := a.parts[name]; ok {
		return p.target.Status()
	}
	return target.Status{}
}

// Run serves until ctx ends, then drains and ends. It may be called once.
func (a *App) Run(ctx context.Context) error {
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	var lives sync.WaitGroup
	for _, p := range a.parts {
		lives.Go(func() { p.run(living) })
	}
	if a.trace != nil {
		go a.trace.Run() // close ends it
	}
	if a.loops != nil {
		a.loops.Start()
	}
	err := a.serve(ctx)
	if a.loops != nil {
		a.loops.Stop()
	}
	if a.cfg.OnExit == config.OnExitStop {
		err = errors.Join(err, a.stopTargets())
	}
	die()
	lives.Wait()
	a.logger.Info("ended")
	return errors.Join(err, a.close())
}

// serve runs the listeners until ctx ends and their clients have drained. A
// listener that ends by itself ends the others.
func (a *App) serve(ctx context.Context) error {
	accepting, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	serving, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)

	a.logger.Info("limit of clients", "clients", a.slots.Cap(), "open-files", gate.DescriptorLimit())
	ended := make(chan error, len(a.listeners))
	var serves sync.WaitGroup
	defer serves.Wait()
	for _, l := range a.listeners {
		a.logger.Info("listening for clients", "address", l.Addr().String(), "target", l.target)
		serves.Go(func() { ended <- l.proxy.Serve(accepting, serving, l.Listener) })
	}
	var errs []error
	var drained <-chan time.Time
	draining := accepting.Done()
	for left := len(a.listeners); left > 0; {
		select {
		case err := <-ended:
			left--
			errs = append(errs, err)
			stopAccepting()
		case <-draining:
			draining = nil
			drained = time.After(a.cfg.Drain)
			a.logDrain(context.Cause(ctx))
		case <-drained:
			drained = nil
			cut(errDrained)
		}
	}
	return errors.Join(errs...)
}

func (a *App) logDrain(cause error) {
	for name, p := range a.parts {
		st := p.target.Status()
		a.logger.Info("ending", "cause", cause, "target", name, "state", st.State.String(),
			"clients", st.Held, "waiting", st.Waiting, "drain", a.cfg.Drain, "on-exit", string(a.cfg.OnExit))
	}
}

// stopTargets stops every target, each within its own stop timeout and what may be
// under way before it.
func (a *App) stopTargets() error {
	errs := make(chan error, len(a.parts))
	for _, p := range a.parts {
		go func() { errs <- p.retire() }()
	}
	var all []error
	for range a.parts {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (a *App) onClose(f func() error) { a.cleanups = append(a.cleanups, f) }

func (a *App) close() error {
	var errs []error
	for len(a.cleanups) > 0 {
		last := len(a.cleanups) - 1
		errs = append(errs, a.cleanups[last]())
		a.cleanups = a.cleanups[:last]
	}
	return errors.Join(errs...)
}

// listenHint says what to do about an address that cannot be listened on.
func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program listens there: end it, or choose another port to listen on (--proxy-port)"
	case errors.Is(err, syscall.EMFILE):
		return "; each port takes an open file: raise the limit (ulimit -n, LimitNOFILE=), or listen on fewer"
	case errors.Is(err, syscall.EACCES):
		return "; ports below 1024 need the right to bind them: choose another one to listen on (--proxy-port), or give rouse CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine does not have that address: use one of its own to listen on (--proxy-ip), or 0.0.0.0 for all"
	default:
		return ""
	}
}
