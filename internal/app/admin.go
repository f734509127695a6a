package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
)

// steered is the App as a person steers it.
type steered struct {
	*App
	by string // who that is, as far as it is known
}

var _ admin.Daemon = steered{}

// For is the same for another person.
func (s steered) For(who string) admin.Daemon { return steered{s.App, who} }

// Release ends holds.
func (s steered) Release(name string) (int, error) { return s.release(name, s.by) }

// Wake begins to wake a target.
func (s steered) Wake(name string) error { return s.wake(name, s.by) }

// Stop begins to stop a target.
func (s steered) Stop(name string, force bool) error { return s.stop(name, force, s.by) }

// Maintain keeps new clients away.
func (s steered) Maintain(name, mode, why string) error {
	return s.maintain(name, maintained{mode, why, s.by})
}

// Reload reads the config again.
func (s steered) Reload(cause string) (any, error) { return s.Reread(cause) }

// mostHold is how long a hold by hand may last.
const mostHold = 366 * 24 * time.Hour

// Hold keeps a target or a group awake.
func (s steered) Hold(name string, until time.Time, why string) error {
	switch d := time.Until(until); {
	case d <= 0:
		return fmt.Errorf("the time until which %q is to be held is over", name)
	case d > mostHold:
		return fmt.Errorf("%q cannot be held for longer than a year: use always-on in the config", name)
	case len(why) > mostWhy:
		return fmt.Errorf("the reason is longer than %d bytes: write a shorter one", mostWhy)
	}
	return s.hold(name, byHand{until, why, s.by})
}

// listenAdmin lets a person steer this rouse. One that cannot be steered serves all the same.
func (a *App) listenAdmin(ctx context.Context, r *running) {
	ln, err := admin.Listen(a.store.Path())
	if err != nil {
		a.logger.Warn("rouse status, reload, wake, stop and hold cannot talk to this rouse", "err", err)
	} else {
		r.lives.Go(func() { admin.Serve(ctx, ln, steered{App: a}, admin.Guard{}, a.logger) })
	}
	if a.adminListener != nil {
		r.lives.Go(func() { admin.Serve(ctx, a.adminListener, steered{App: a}, a.guard, a.logger) })
	}
}

// openAdmin listens where the config says, with the token of its file or of the state directory.
func (a *App) openAdmin() error {
	c := a.cfg.Admin
	if !c.Listen.IsValid() {
		return nil
	}
	token, made, err := "", false, error(nil)
	if c.TokenFile != "" {
		token, err = admin.ReadToken(c.TokenFile)
	} else {
		token, made, err = admin.MakeToken(a.store.Path())
	}
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	network := "tcp"
	if c.Listen.Addr().Is4() {
		network = "tcp4"
	}
	ln, err := net.Listen(network, c.Listen.String())
	if err != nil {
		return fmt.Errorf("admin: %w%s", err, listenHint(err))
	}
	a.onClose(func() error { _ = ln.Close(); return nil }) // Serve has closed it in the ordinary course
	address, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	a.adminListener = ln
	a.guard = admin.Guard{Token: token, Address: netip.AddrPortFrom(address.Addr().Unmap(), address.Port()), Hosts: c.Hosts, OpenMetrics: c.OpenMetrics}
	if made {
		a.logger.Info("made a token for the API and the dashboard", "file", admin.TokenPath(a.store.Path()))
	}
	a.logger.Info("the dashboard and the API are up", "url", "http://"+ln.Addr().String()+"/", "open-with", "rouse dashboard")
	if !address.Addr().IsLoopback() {
		a.logger.Warn("the API is not on loopback, and not encrypted: put a proxy with TLS before it, or listen on 127.0.0.1", "address", ln.Addr().String())
	}
	return nil
}

// AdminAddr returns where the API can be had over TCP; nil: nowhere.
func (a *App) AdminAddr() net.Addr {
	if a.adminListener == nil {
		return nil
	}
	return a.adminListener.Addr()
}
