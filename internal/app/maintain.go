package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/target"
)

// maintainKind is under which kind a maintenance is kept over a restart.
const maintainKind = "maintenance"

// maintained says how new clients are kept from a target. The zero value: they are not.
type maintained struct {
	Mode string `json:"mode"` // refuse or hold
	Why  string `json:"why"`
	By   string `json:"by,omitempty"`
}

// upkeep keeps new clients from one target.
type upkeep struct {
	mu    sync.Mutex // guards the field below
	now   maintained
	pause gate.Pause
}

func (u *upkeep) set(m maintained) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now = m
	switch m.Mode {
	case "refuse":
		u.pause.Set(gate.PauseRefuse)
	case "hold":
		u.pause.Set(gate.PauseHold)
	default:
		u.pause.Set(gate.PauseOff)
	}
}

// maintenance tells how it is.
func (p *part) maintenance() maintained {
	p.upkeep.mu.Lock()
	defer p.upkeep.mu.Unlock()
	return p.upkeep.now
}

// Maintain keeps new clients from the named target, or those of the group, or lets them in again: mode is refuse, hold or off. It holds
// over a restart. Who is connected stays.
func (a *App) Maintain(name, mode, why string) error {
	return a.maintain(name, maintained{mode, why, ""})
}

func (a *App) maintain(name string, m maintained) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	parts, err := a.steerable(name)
	if err != nil {
		return fmt.Errorf("maintaining %q: %w", name, err)
	}
	if len(m.Why) > mostWhy {
		return fmt.Errorf("the reason is longer than %d bytes: write a shorter one", mostWhy)
	}
	asked := m
	if m.Mode == "off" {
		m = maintained{}
	}
	for _, p := range parts {
		if err := a.store.SaveNote(p.target.Name(), maintainKind, m); err != nil {
			return err
		}
		p.upkeep.set(m)
		a.steer(p, asked.By, map[string]string{"off": "new clients are let in again", "refuse": "new clients are refused", "hold": "new clients have to wait"}[asked.Mode], asked.Why)
	}
	a.repause()
	return nil
}

const mostWhy = 200

// repause has the listeners look at the pauses of their targets again.
func (a *App) repause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.listeners {
		l.proxy.Repause()
	}
}

// maintainAgain takes up the maintenance that a rouse before this one had.
func (a *App) maintainAgain(p *part) {
	var m maintained
	if _, err := a.store.LoadNote(p.target.Name(), maintainKind, &m); err != nil {
		a.logger.Warn("a maintenance is lost, and new clients are let in", "target", p.target.Name(), "err", err)
		return
	}
	p.upkeep.set(m)
}

// steer tells that a person has asked for something.
func (a *App) steer(p *part, by, what, why string) {
	if by != "" {
		what += ", by " + by
	}
	if why != "" {
		what += ": " + why
	}
	a.events.Emit(event.Event{Kind: event.Steered, Target: p.target.Name(), Cause: what})
}

const (
	evictTime = 5 * time.Second // that clients have to be gone in who were cut
	evictBeat = 20 * time.Millisecond
)

// force cuts the clients of the parts, so that these can be stopped.
func (a *App) force(ctx context.Context, parts []*part, by string) error {
	ctx, end := context.WithTimeout(ctx, evictTime)
	defer end()
	for _, p := range parts {
		a.steer(p, by, "its clients are cut, to stop it", "")
		for {
			n := a.evict(p)
			st := p.target.Status()
			if n == 0 && st.Held == 0 {
				break
			}
			if ctx.Err() != nil {
				return admin.Conflict(fmt.Sprintf("%q is not stopped: its clients were cut, and it is still held by %d: new ones come, or another target needs it; see rouse why %s, and rouse maintenance",
					p.target.Name(), st.Held, p.target.Name()))
			}
			rest(ctx, evictBeat)
		}
	}
	return nil
}

// evict cuts the clients of a target, on every listener.
func (a *App) evict(p *part) int {
	a.mu.Lock()
	var all []*proxy.Listener
	for _, l := range a.listeners {
		all = append(all, l.proxy)
	}
	a.mu.Unlock()
	n := 0
	for _, l := range all {
		n += l.Evict(p.target, target.ErrEvicted)
	}
	return n
}
