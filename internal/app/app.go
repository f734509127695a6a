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
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/metrics"
	"github.com/rouse-proxy/rouse/internal/notify"
	"github.com/rouse-proxy/rouse/internal/otlp"
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

	// Reread reads the config again, for a reload; nil: there is none to be read.
	Reread func() (cfg *config.Config, doubts config.Problems, err error)
	// Fingerprint changes whenever what Reread reads may have changed. It is asked every second. nil: nobody looks.
	Fingerprint func() string
}

// An App is the daemon.
type App struct {
	opts          Options
	logger        *slog.Logger
	events        *event.Log
	store         *state.Dir
	trace         *trace.Writer // nil: none is wanted
	history       *history.Store
	metrics       *metrics.Metrics
	notifier      *notify.Notifier // nil: nobody is told
	exporter      *otlp.Exporter   // nil: nobody is told of phases
	began         time.Time
	adminListener net.Listener // nil: nobody asks over TCP
	guard         admin.Guard
	loops         *loop.Group // nil where there are none
	slots         *gate.Slots

	rereading sync.Mutex // one reading of the config at a time, with its reload: an older one never comes last
	reloading sync.Mutex // one reload at a time; held, but for the first moments, by who writes what mu guards
	mu        sync.Mutex // guards the fields below, for whoever only reads
	cfg       *config.Config
	parts     map[string]*part     // by target name; those that leave, too
	listeners map[string]*listener // by address, see keyOf
	run       *running             // nil: it does not run yet

	cleanups []func() error // run backwards by close
}

// listener is one bound address and who serves it.
type listener struct {
	net.Listener
	route config.Route
	plan  *proxy.Plan
	proxy *proxy.Listener
	away  bool // taken out of the config: its end is no reason to end
}

// keyOf is what the listener of a route is known by, over reloads. Port 0 stands for any free one, each time.
func keyOf(i int, r config.Route) string {
	if r.Socket.Path != "" {
		return "unix:" + r.Socket.Path
	}
	if r.Listen.Port() == 0 {
		return fmt.Sprintf("%v#%d", r.Listen, i)
	}
	return r.Listen.String()
}

// config returns the config in force.
func (a *App) config() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg
}

// part returns that of a target; nil if there is none.
func (a *App) part(name string) *part {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parts[name]
}

// named returns the part of that name, or those of a group of that name. The caller holds reloading, so that parts and config fit.
func (a *App) named(name string) (parts []*part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.parts[name]; p != nil && p.staying == nil {
		return []*part{p}
	}
	for _, t := range a.cfg.Targets {
		if slices.Contains(t.Groups, name) {
			parts = append(parts, a.parts[t.Name])
		}
	}
	return parts
}

// New builds the daemon. An error that wraps [config.Problems] is about the config;
// every other is about this machine. Nothing is left open after an error.
func New(opts Options) (_ *App, err error) {
	a := &App{opts: opts, began: time.Now(), cfg: opts.Config, logger: opts.Logger, parts: map[string]*part{}, listeners: map[string]*listener{}}
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
		if a.parts[t.Name], err = a.newPart(t); err != nil {
			return nil, err
		}
	}
	if err := a.openLoops(); err != nil {
		return nil, err
	}
	a.openSlots()
	for i, r := range a.cfg.Routes {
		plan, err := a.plan(r, a.parts)
		if err != nil {
			return nil, err
		}
		l, err := a.listen(r, plan)
		if err != nil {
			return nil, err
		}
		a.onClose(func() error { _ = l.Close(); return nil }) // Serve has closed it in the ordinary course
		a.listeners[keyOf(i, r)] = l
	}
	if err := a.openAdmin(); err != nil {
		return nil, err
	}
	if err := refuseLoops(a.cfg, a.listeners); err != nil {
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

// listen binds the address of a route.
func (a *App) listen(r config.Route, plan *proxy.Plan) (*listener, error) {
	ln, err := bind(r)
	if err != nil {
		return nil, err
	}
	routes := len(a.cfg.Routes)
	return &listener{Listener: ln, route: r, plan: plan, proxy: proxy.New(proxy.Options{
		Plan: plan, Route: ln.Addr().String(), Slots: a.slots, Events: a.events, Logger: a.logger, Loops: a.loops, Spare: spareDials(routes),
	})}, nil
}

// bind opens the socket.
func bind(r config.Route) (net.Listener, error) {
	if r.Socket.Path != "" {
		return bindSocket(r.Socket)
	}
	lc := net.ListenConfig{KeepAliveConfig: relay.KeepAlive()} // for those who wait; the relay sets its own
	// Of a multipath connection the kernel tells too little: a client that leaves while it waits would not be seen.
	lc.SetMultipathTCP(false)
	network := "tcp" // with the IPv6 wildcard: every address
	if r.Listen.Addr().Is4() {
		network = "tcp4" // 0.0.0.0 must not open a door in IPv6 as well
	}
	ln, err := lc.Listen(context.Background(), network, r.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("listening for clients: %w%s", err, listenHint(err))
	}
	return ln, nil
}

// bindSocket opens a unix socket. What a rouse before this one has left there is removed: nobody listens on it.
func bindSocket(s config.UnixListen) (net.Listener, error) {
	if info, err := os.Lstat(s.Path); err == nil && info.Mode()&os.ModeSocket != 0 {
		conn, err := net.DialTimeout("unix", s.Path, time.Second)
		if err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("listening for clients: another program listens on %s: end it, or choose another path", s.Path)
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(s.Path) // what it fails of is told by listening
		}
	}
	ln, err := net.Listen("unix", s.Path)
	if err != nil {
		return nil, fmt.Errorf("listening for clients: %w", err)
	}
	if err := os.Chmod(s.Path, s.Mode); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("listening for clients: %w", err)
	}
	return ln, nil
}

// Addrs returns the addresses that clients can use, in the order of the routes.
func (a *App) Addrs() []net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	var addrs []net.Addr
	for i, r := range a.cfg.Routes {
		if l := a.listeners[keyOf(i, r)]; l != nil { // a reload may be building it
			addrs = append(addrs, l.Addr())
		}
	}
	return addrs
}

// Status returns a picture of the named target; the zero Status for an unknown name.
func (a *App) Status(name string) target.Status {
	if p := a.part(name); p != nil {
		return p.target.Status()
	}
	return target.Status{}
}

// stopTargets stops every target, each within its own stop timeout and what may be
// under way before it.
func (a *App) stopTargets() error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	errs := make(chan error, len(a.parts))
	for name, p := range a.parts {
		if p.unwear != nil {
			p.unwear() // what keeps it awake
		}
		p.hand.drop()
		go func() { errs <- p.retire(a.needing(name)) }()
	}
	var all []error
	for range a.parts {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// needing is how long those may take to stop that need a target, one after the other.
func (a *App) needing(name string) time.Duration {
	longest := time.Duration(0)
	for _, t := range a.cfg.Targets {
		if slices.Contains(t.Needs, name) {
			longest = max(longest, t.StopTimeout+a.needing(t.Name))
		}
	}
	return longest
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
