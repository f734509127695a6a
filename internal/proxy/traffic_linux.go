package proxy

import "github.com/rouse-proxy/rouse/internal/loop"

// A pulse looks from time to time whether a guest's connection carries anything. It goes with the guest from loop to loop.
type pulse struct {
	guest *guest
	timer loop.Timer
	bytes int64 // at the last look
}

// takePulse begins to look, where anybody wants to know.
func (g *guest) takePulse() {
	if g.lane.Traffic == nil {
		return
	}
	g.lane.Traffic.join()
	g.pulse = &pulse{guest: g}
	g.pulse.timer = loop.NewTimer(g.pulse)
	g.armPulse()
}

// armPulse sets when to look next, on the loop that the guest is on.
func (g *guest) armPulse() {
	if g.pulse != nil {
		g.at.loop.Arm(&g.pulse.timer, g.lane.Traffic.beat())
	}
}

// dropPulse ends that, on this loop.
func (g *guest) dropPulse() {
	if g.pulse != nil {
		g.at.loop.Disarm(&g.pulse.timer)
	}
}

// Do is for the loop.
func (h *pulse) Do() {
	g := h.guest
	sent, received := g.link.Bytes()
	if g.lane.Traffic.quiet(sent+received, h.bytes, g.lane.Target) {
		g.cut(errQuiet)
		return
	}
	h.bytes = sent + received
	g.armPulse()
}

// Contain is for the loop.
func (h *pulse) Contain(panicked any) { h.guest.Contain(panicked) }
