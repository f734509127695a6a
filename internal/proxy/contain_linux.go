package proxy

import (
	"fmt"
	"runtime/debug"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/relay"
)

// Contain keeps a fault from taking more than its own client down.
func (g *guest) Contain(panicked any) {
	err := fmt.Errorf("%w: %v\n%s", relay.ErrFault, panicked, debug.Stack())
	if g.state == linked {
		g.link.Cancel(err)
		return
	}
	g.at.door.faulted(err)
	g.refuse(relay.ErrFault)
}

// guarded calls f for a task of many guests: a fault is that of one.
func (g *guest) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			g.Contain(p)
		}
	}()
	f()
}

// emit loses the event if a sink has a fault: the client, whose life may just be ending, has none.
func (g *guest) emit(e event.Event) {
	log := g.at.door.opts.Events
	if log == nil {
		return
	}
	defer g.at.door.lost(e.Kind)
	e.Target, e.Client, e.Route = g.lane.Target.Name(), g.from.String(), g.at.door.opts.Route
	log.Emit(e)
}

func (d *door) lost(kind event.Kind) {
	if p := recover(); p != nil {
		d.opts.Logger.Error("a fault of rouse itself has lost one event; please report it",
			"target", d.name(), "event", string(kind), "panic", fmt.Sprintf("%v\n%s", p, debug.Stack()))
	}
}
