package proxy

import (
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A promotion is what comes to a visitor, for whom the target is not kept awake, once it has stayed for long enough: it holds the target.
type promotion struct {
	guest *guest
	timer loop.Timer
}

// evict returns what ends a visit, from any goroutine. A visitor stays on its loop.
func (g *guest) evict() func() {
	l := g.at.loop
	return func() { l.Post((*evicted)(g)) }
}

// evicted is a guest that has to go.
type evicted guest

// Do is for the loop.
func (e *evicted) Do() {
	if g := (*guest)(e); g.state != over && g.state != leaving && g.hold.Visits() {
		g.cut(target.ErrUnwanted)
	}
}

// Contain is for the loop.
func (e *evicted) Contain(panicked any) { (*guest)(e).Contain(panicked) }

// promote sets when a visitor may hold the target.
func (g *guest) promote() {
	if g.wait == nil || g.wait.count == 0 || !g.hold.Visits() {
		return
	}
	g.visitor = &promotion{guest: g}
	g.visitor.timer = loop.NewTimer(g.visitor)
	g.at.loop.Arm(&g.visitor.timer, max(g.wait.count, time.Millisecond))
}

// unvisit ends that.
func (g *guest) unvisit() {
	if g.visitor != nil {
		g.at.loop.Disarm(&g.visitor.timer)
		g.visitor = nil
	}
}

// Do is for the loop: the visitor has stayed.
func (v *promotion) Do() {
	g := v.guest
	g.visitor = nil
	if g.state == linked && g.hold.Count() {
		g.emit(event.Event{Kind: event.ClientCounted})
		g.takePulse()
	}
}

// Contain is for the loop.
func (v *promotion) Contain(panicked any) { v.guest.Contain(panicked) }
