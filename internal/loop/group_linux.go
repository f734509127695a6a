package loop

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Group is some loops that share the work of a process.
type Group struct {
	born  time.Time
	loops []*Loop
	heavy atomic.Uint32 // how often a loop for bulk was asked for
	pipes pipeBudget
	wg    sync.WaitGroup
}

// Options describe a group. The zero value is one loop without pipes.
type Options struct {
	Loops int // 1 when 0
	Pipes int // that may exist at once, for splice(2); each takes two descriptors
}

// New returns a group that does not run yet.
func New(opts Options) (*Group, error) {
	g := &Group{born: time.Now()}
	g.pipes.left.Store(int32(opts.Pipes))
	for range max(opts.Loops, 1) {
		l, err := newLoop(g)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.loops = append(g.loops, l)
	}
	return g, nil
}

// Start lets the loops run, until Stop.
func (g *Group) Start() {
	for _, l := range g.loops {
		g.wg.Go(l.run)
	}
}

// Stop ends the loops and returns when they have ended.
func (g *Group) Stop() {
	for _, l := range g.loops {
		l.stop()
	}
	g.wg.Wait()
}

// Close frees what the group holds. It must not run.
func (g *Group) Close() error {
	var errs []error
	for _, l := range g.loops {
		errs = append(errs, l.close())
	}
	g.loops = nil
	return errors.Join(errs...)
}

// Loops returns the loops.
func (g *Group) Loops() []*Loop { return g.loops }

// Heavy returns the loop that a bulk transfer should be on. Half of the loops share them: with few streams each, a loop
// sleeps and wakes for less.
func (g *Group) Heavy() *Loop {
	share := max(len(g.loops)/2, 1)
	return g.loops[len(g.loops)-1-int(g.heavy.Add(1)%uint32(share))]
}

// At returns the time that a Loop's Clock showed as d.
func (g *Group) At(d time.Duration) time.Time { return g.born.Add(d) }

// Descriptors is how many descriptors the group takes at most for itself.
func Descriptors(opts Options) int { return 3*max(opts.Loops, 1) + 2*opts.Pipes }

// slack is by how much a loop may carry more than the quietest, and a quarter: handing over costs a wake-up.
const slack = 8

// Quietest returns the loop that a new connection should go to when it is in the hands of l: l itself, unless another
// carries clearly less.
func (l *Loop) Quietest() *Loop {
	best := l
	least := l.Load()
	least -= max(slack, least/4)
	for _, other := range l.group.loops {
		if n := other.Load(); n < least {
			best, least = other, n
		}
	}
	return best
}
