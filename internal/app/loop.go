package app

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
)

// errLoop is why a connection is not used: a client would wake itself for ever.
var errLoop = errors.New("this is where rouse itself listens: it would connect to itself")

// allow refuses a backend that is one of our own listeners: by this machine's own
// address, by a name, or by what a hook has said.
func (a *App) allow(remote netip.AddrPort) error {
	if a.isOwn(remote) {
		return errLoop
	}
	return nil
}

// wayTime is how long it is believed where an address leads: this machine may get that address, or lose it.
const wayTime = time.Second

// way is where an address leads.
type way struct {
	address string
	to      netip.AddrPort
	err     error
	until   time.Time
}

// A guide knows the way to the backend of one listener.
type guide struct {
	app  *App
	last atomic.Pointer[way]
}

// direct returns where an address leads that needs no name to be resolved, unless that is one of our own listeners. It
// remembers the last one: every client asks, and only the kernel knows this machine's addresses.
func (g *guide) direct(address string) (netip.AddrPort, error) {
	if w := g.last.Load(); w != nil && w.address == address && time.Now().Before(w.until) {
		return w.to, w.err
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || to.Addr().Zone() != "" {
		return netip.AddrPort{}, nil // a name, or what only the resolver understands
	}
	w := &way{address: address, to: netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), until: time.Now().Add(wayTime)}
	if g.app.isOwn(w.to) {
		w.to, w.err = netip.AddrPort{}, errLoop
	}
	g.last.Store(w)
	return w.to, w.err
}

// isOwn says whether one of our listeners gets what is sent to the address.
func (a *App) isOwn(remote netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return owns(a.listeners, remote)
}

// owns says whether one of the listeners gets what is sent to the address.
func owns(listeners map[string]*listener, remote netip.AddrPort) bool {
	for _, l := range listeners {
		if l.gets(remote) {
			return true
		}
	}
	return false
}

// gets says whether the listener does.
func (l *listener) gets(remote netip.AddrPort) bool {
	own, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil || own.Port() != remote.Port() {
		return false
	}
	return own.Addr().Unmap() == remote.Addr().Unmap() || own.Addr().IsUnspecified() && isLocal(remote.Addr().Unmap())
}

// isLocal says whether the address is one of this machine's.
func isLocal(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	return ip.IsLoopback() || err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip
	})
}

// refuseLoops finds targets whose address is written down as one of our own.
func refuseLoops(cfg *config.Config, listeners map[string]*listener) error {
	var problems config.Problems
	for i, t := range cfg.Targets {
		for _, r := range append([]config.Route{{To: config.To{Target: t.Name}}}, cfg.Routes...) {
			b := t.Backend
			b.Port = cmp.Or(r.Port, b.Port)
			ip, err := netip.ParseAddr(b.Host)
			if r.Target != t.Name || err != nil || !owns(listeners, netip.AddrPortFrom(ip, b.Port)) {
				continue
			}
			problems = append(problems, config.Problem{
				Where: fmt.Sprintf("targets[%d].backend.port", i), Text: b.Address() + " is where rouse itself listens, so it would connect to itself",
				Hint: "let the target or rouse use another port",
			})
			break
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
