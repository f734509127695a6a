package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/target"
)

// needs are the holds of one target on those that it needs: taken before its start action, and given back once it is known to be
// stopped.
type needs struct {
	app *App
	by  string // name of the one who needs

	mu    sync.Mutex // guards the fields below
	holds map[string]*target.Hold
	gone  bool // it is stopped: what is granted now is given back
}

func (n *needs) cause() string { return fmt.Sprintf("needed by %q", n.by) }

// take holds all that are needed, and waits until they are awake.
func (n *needs) take(ctx context.Context) error {
	p := n.app.part(n.by)
	if p == nil {
		return nil
	}
	n.mu.Lock()
	n.gone = false
	n.mu.Unlock()
	for _, name := range p.config().Needs {
		other := n.app.part(name)
		if other == nil || n.has(name) {
			continue
		}
		h, err := other.target.AcquireFor(ctx, target.Wish{Cause: n.cause()})
		if err != nil {
			return fmt.Errorf("target %q, which it needs: %w", name, err)
		}
		n.put(name, h)
	}
	return nil
}

func (n *needs) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.holds[name] != nil
}

// put keeps a hold, or gives it back if there is one or none is wanted any more.
func (n *needs) put(name string, h *target.Hold) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holds[name] != nil || n.gone {
		h.Release()
		return
	}
	n.holds[name] = h
}

// release gives all back.
func (n *needs) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = true
	for name, h := range n.holds {
		h.Release()
		delete(n.holds, name)
	}
}

// atBoot holds those that are awake, before anything could stop them: the one who needs them may be awake, too. None is woken.
func (n *needs) atBoot(names []string) {
	for _, name := range names {
		if other := n.app.part(name); other != nil {
			b := &bootNeed{needs: n, name: name}
			b.hold.Rank = target.Meek
			other.target.Ask(&b.hold, b)
		}
	}
}

// bootNeed waits for a hold on one that may be awake.
type bootNeed struct {
	needs *needs
	name  string
	hold  target.Hold
}

// Answered is the target's answer.
func (b *bootNeed) Answered(h *target.Hold, err error) {
	if err == nil {
		b.needs.put(b.name, h)
	}
}

// Cause says who wants the target.
func (b *bootNeed) Cause() string { return b.needs.cause() }

// chain returns a driver that starts a target once those are awake that it needs. Where the driver can report, so can the chain.
func chain(d driver.Driver, n *needs) driver.Driver {
	c := chained{d, n}
	reporter, reports := d.(driver.Reporter)
	resumer, resumes := d.(driver.Resumer)
	switch {
	case reports && resumes:
		return struct {
			chained
			driver.Reporter
			driver.Resumer
		}{c, reporter, resumer}
	case reports:
		return struct {
			chained
			driver.Reporter
		}{c, reporter}
	case resumes:
		return struct {
			chained
			driver.Resumer
		}{c, resumer}
	}
	return c
}

type chained struct {
	driver.Driver
	needs *needs
}

// Start wakes what is needed first.
func (c chained) Start(ctx context.Context, op driver.Op) (string, error) {
	if err := c.needs.take(ctx); err != nil {
		return "", err
	}
	return c.Driver.Start(ctx, op)
}
