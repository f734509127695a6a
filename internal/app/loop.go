package app

import (
	"errors"
	"net"
	"net/netip"
	"slices"
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

// direct returns where an address leads that needs no name to be resolved, unless that is one of our own listeners. It
// remembers the last one: every client asks, and only the kernel knows this machine's addresses.
func (a *App) direct(address string) (netip.AddrPort, error) {
	if w := a.way.Load(); w != nil && w.address == address && time.Now().Before(w.until) {
		return w.to, w.err
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || to.Addr().Zone() != "" {
		return netip.AddrPort{}, nil // a name, or what only the resolver understands
	}
	w := &way{address: address, to: netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), until: time.Now().Add(wayTime)}
	if a.isOwn(w.to) {
		w.to, w.err = netip.AddrPort{}, errLoop
	}
	a.way.Store(w)
	return w.to, w.err
}

// isOwn says whether one of our listeners gets what is sent to the address.
func (a *App) isOwn(remote netip.AddrPort) bool {
	return slices.ContainsFunc(a.listeners, func(l *listener) bool {
		own, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil || own.Port() != remote.Port() {
			return false
		}
		return own.Addr().Unmap() == remote.Addr().Unmap() || own.Addr().IsUnspecified() && isLocal(remote.Addr().Unmap())
	})
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
func (a *App) refuseLoops() error {
	var problems config.Problems
	for _, t := range a.cfg.Targets {
		ip, err := netip.ParseAddr(t.Backend.Host)
		if err == nil && a.isOwn(netip.AddrPortFrom(ip, t.Backend.Port)) {
			problems = append(problems, config.Problem{
				Where: "--target-port", Text: t.Backend.Address() + " is where rouse itself listens, so it would connect to itself",
				Hint: "let the target or rouse (--proxy-port) use another port",
			})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
