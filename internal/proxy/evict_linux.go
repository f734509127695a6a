package proxy

import "sync/atomic"

// evictGuests cuts those on the loops.
func (l *Listener) evictGuests(of Waker, cause error) int {
	d, ok := l.door.Load().(*door)
	if !ok {
		return 0
	}
	var n atomic.Int64
	_ = d.everywhere(func(m *doorman) error {
		m.each(func(g *guest) {
			if g.state == linked && g.lane.Target == of {
				n.Add(1)
				g.cut(cause)
			}
		})
		return nil
	}) // loops that have ended have nobody
	return int(n.Load())
}
