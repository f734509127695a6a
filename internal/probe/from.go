package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// ErrOtherFamily is why nobody can be spoken for: one has an address of IPv4, and the other of IPv6.
var ErrOtherFamily = errors.New("the client and the backend have addresses of different families")

// DialFrom is [Prober.Dial], from an address that is not this machine's: one attempt, whose silence is the kernel's to break. The zero
// address is this machine's own.
func (p *Prober) DialFrom(ctx context.Context, address string, from netip.Addr) (net.Conn, error) {
	if !from.IsValid() {
		return p.Dial(ctx, address)
	}
	network := "tcp6"
	if from.Is4() {
		network = "tcp4"
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Control: as, KeepAlive: -1, FallbackDelay: -1}
	conn, err := d.DialContext(ctx, network, address)
	if none, ok := errors.AsType[*net.AddrError](err); ok && none.Err == "no suitable address found" {
		return nil, fmt.Errorf("%w: %w: %v and %s", ErrCannotAsk, ErrOtherFamily, from, address)
	}
	if err != nil {
		return nil, Blame(fmt.Errorf("from %v: %w", from, err))
	}
	return p.admit(conn)
}

// CheckFrom says why this machine cannot connect from the addresses of others; nil: it can.
func CheckFrom(network string) error {
	loopback := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
	lc := net.ListenConfig{Control: as}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ln, err := lc.Listen(ctx, network, loopback)
	if err != nil {
		return err
	}
	return ln.Close()
}
