package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// A chase is what [race] is, for plain connects to an address that needs no look-up, at a small part of the cost:
// where the system allows it, one goroutine owns all attempts and waits for them and for the next beat in one system
// call. In a race each attempt is a goroutine with a context and two timers, and each of these wakes idle threads.
type chase struct {
	pace
	to    netip.AddrPort
	admit func(net.Conn) (net.Conn, error) // a connection to where nobody may connect is closed, and fails
}

// errNoChase says that only a race can be run here.
var errNoChase = errors.New("no chase on this system")

// seek connects at that pace by the cheapest way there is.
func (p *Prober) seek(ctx context.Context, pace pace, address string) (net.Conn, error) {
	if to, ok := p.literal(address); ok {
		conn, err := (&chase{pace, to, p.admit}).run(ctx)
		if !errors.Is(err, errNoChase) {
			return conn, err
		}
	}
	return race(ctx, pace, p.bind(address))
}

// literal returns the address that can be chased. What the net package gives a meaning of its own to, such as zones,
// names of ports and the unspecified address, is left to it.
func (p *Prober) literal(address string) (netip.AddrPort, bool) {
	to, err := netip.ParseAddrPort(address)
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	plain := err == nil && to.Addr().Zone() == "" && !to.Addr().IsUnspecified() && to.Port() != 0
	return to, plain && p.direct
}
