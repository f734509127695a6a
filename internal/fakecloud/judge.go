package fakecloud

import (
	"slices"
	"sync"
)

// An Action is an operation as its caller sees it: all of a hook's life, say.
type Action struct {
	Machine string
	Kind    string      // start, stop or status
	By      string      // epoch, process, whatever tells them apart
	Alive   func() bool // says whether it still goes on, of one that may end without saying so; nil: it does
}

// Begin records that an operation on a machine begins, and is told when it has ended. Two at a time are an offence.
func (c *Cloud) Begin(a Action) (end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(a.Machine)
	if err != nil {
		return nil, err
	}
	m.meter.operations++
	m.note("operation begun", a.By, a.Kind)
	for _, other := range m.actions {
		if other.Alive != nil && !other.Alive() {
			continue
		}
		switch {
		case (a.Kind == "status") != (other.Kind == "status"):
			m.meter.statusOverlaps++
			m.note("status overlap", a.By, a.Kind+" beside "+other.Kind+" by "+other.By)
		case a.Kind != "status":
			m.meter.overlaps++
			m.note("overlap", a.By, a.Kind+" beside "+other.Kind+" by "+other.By)
		}
	}
	m.actions = append(m.actions, &a)
	return sync.OnceFunc(func() { c.ended(m, &a) }), nil
}

func (c *Cloud) ended(m *machine, a *Action) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.actions = slices.DeleteFunc(m.actions, func(other *Action) bool { return other == a })
	m.note("operation ended", a.By, a.Kind)
}
