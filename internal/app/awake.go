package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/schedule"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	wakeAgain = 30 * time.Second // after a wake that has failed, for who keeps a target awake
	windowMax = time.Hour        // that a window is waited for: clocks are set, and machines suspended
)

// shut says why nobody may wake a target now.
func shut(never *schedule.Schedule) error {
	if until, is := never.Open(time.Now()); is {
		return fmt.Errorf("it is not woken before %s (never-wake)", until.Format("Jan 2, 15:04"))
	}
	return nil
}

// keepWindows keeps the target awake while a window is open, until ctx ends.
func (p *part) keepWindows(ctx context.Context, always *schedule.Schedule) {
	if always.Next(time.Now()).IsZero() {
		return
	}
	for ctx.Err() == nil {
		now := time.Now()
		if until, is := always.Open(now); is {
			within, cancel := context.WithDeadline(ctx, until)
			p.keepAwake(within, target.Wish{Rank: target.Exempt, Cause: "always-on until " + until.Format("Jan 2, 15:04")})
			cancel()
			continue
		}
		rest(ctx, min(always.Next(now).Sub(now), windowMax))
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepAwake holds the target until ctx ends, and wakes it again should it die with nobody else there to notice.
func (p *part) keepAwake(ctx context.Context, wish target.Wish) {
	for ctx.Err() == nil {
		h, err := p.target.AcquireFor(ctx, wish)
		if err != nil {
			if ctx.Err() == nil {
				p.logger.Warn("cannot keep a target awake, will try again", "target", p.target.Name(), "cause", wish.Cause, "in", wakeAgain, "err", err)
				rest(ctx, wakeAgain)
			}
			continue
		}
		p.watch(ctx, h)
		h.Release()
	}
}

// watch asks now and then whether the target is still there that is held, if no client would find out.
func (p *part) watch(ctx context.Context, h *target.Hold) {
	for {
		rest(ctx, p.lookBeat())
		switch {
		case ctx.Err() != nil:
			return
		case p.target.Status().Held <= 1:
			if h.Suspect(ctx) != nil {
				return
			}
		}
	}
}

func (p *part) lookBeat() time.Duration {
	if d := p.config().Recheck; d > 0 {
		return d
	}
	return windowMax
}

// holdKind is under which kind a hold by hand is kept over a restart.
const holdKind = "hold"

// byHand is a hold by a person.
type byHand struct {
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
	By    string    `json:"by,omitempty"` // who has asked for it, as far as that is known
}

// hand keeps the hold by a person on one target.
type hand struct {
	mu  sync.Mutex // guards the fields below
	now byHand
	end context.CancelFunc // nil: nobody holds
}

// Hold keeps the named target, or those of the group, awake until a time, whatever budgets and windows say. It holds over a restart.
func (a *App) Hold(name string, until time.Time, why string) error {
	return a.hold(name, byHand{until, why, ""})
}

func (a *App) hold(name string, h byHand) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.run == nil || a.run.accepting.Err() != nil {
		return fmt.Errorf("holding %q: %w", name, target.ErrEnding)
	}
	parts := a.named(name)
	if len(parts) == 0 {
		return fmt.Errorf("there is neither a target nor a group %q", name)
	}
	for _, p := range parts {
		if err := a.store.SaveNote(p.target.Name(), holdKind, h); err != nil {
			return err
		}
		p.holdByHand(h)
		a.steer(p, h.By, "held by hand until "+h.Until.Local().Format("Jan 2, 15:04"), h.Why)
	}
	return nil
}

// Release ends holds by hand, and says how many there were.
func (a *App) Release(name string) (int, error) { return a.release(name, "") }

func (a *App) release(name, by string) (int, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	parts := a.named(name)
	if len(parts) == 0 {
		return 0, fmt.Errorf("there is neither a target nor a group %q", name)
	}
	released := 0
	for _, p := range parts {
		if p.hand.drop() {
			released++
			a.steer(p, by, "held by hand no more", "")
		}
		if err := a.store.SaveNote(p.target.Name(), holdKind, byHand{}); err != nil {
			return released, err
		}
	}
	return released, nil
}

func (p *part) holdByHand(h byHand) {
	p.hand.drop()
	ctx, end := context.WithDeadline(p.life, h.Until)
	p.hand.mu.Lock()
	p.hand.now, p.hand.end = h, end
	p.hand.mu.Unlock()
	cause := "held by hand until " + h.Until.Local().Format("Jan 2, 15:04")
	if h.Why != "" {
		cause += ": " + h.Why
	}
	p.lives.Go(func() {
		defer end()
		p.keepAwake(ctx, target.Wish{Rank: target.Commanding, Cause: cause})
	})
}

// drop ends the hold, if there is one.
func (h *hand) drop() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end == nil {
		return false
	}
	h.end()
	held := time.Now().Before(h.now.Until)
	h.end, h.now = nil, byHand{}
	return held
}

// holdAgain takes up the hold that a rouse before this one had.
func (a *App) holdAgain(p *part) {
	var h byHand
	if _, err := a.store.LoadNote(p.target.Name(), holdKind, &h); err != nil {
		a.logger.Warn("a hold by hand is lost", "target", p.target.Name(), "err", err)
	}
	if time.Now().Before(h.Until) {
		p.holdByHand(h)
	}
}

// holdOf tells of the hold by hand; the zero time: there is none.
func (h *hand) holdOf() byHand {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end == nil || time.Now().After(h.now.Until) {
		return byHand{}
	}
	return h.now
}

// Wake begins to wake the named target, or those of the group, whatever budgets and windows say. Nobody holds it then: its cooldown runs
// from when it is ready.
func (a *App) Wake(name string) error { return a.wake(name, "") }

func (a *App) wake(name, by string) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	parts, err := a.steerable(name)
	if err != nil {
		return fmt.Errorf("waking %q: %w", name, err)
	}
	for _, p := range parts {
		ctx, end := context.WithTimeout(p.life, p.patience())
		a.steer(p, by, "woken by hand", "")
		p.lives.Go(func() {
			defer end()
			h, err := p.target.AcquireFor(ctx, target.Wish{Rank: target.Commanding, Cause: "a person wakes it"})
			if err != nil {
				p.logger.Warn("a target could not be woken by hand", "target", p.target.Name(), "err", err)
				return
			}
			h.Release()
		})
	}
	return nil
}

// Stop begins to stop the named target, or those of the group. One that somebody uses or holds by hand is not stopped, and then none is. Forced,
// clients that are connected are cut.
func (a *App) Stop(name string, force bool) error { return a.stop(name, force, "") }

func (a *App) stop(name string, force bool, by string) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	parts, err := a.steerable(name)
	if err != nil {
		return fmt.Errorf("stopping %q: %w", name, err)
	}
	for _, p := range parts {
		if h := p.hand.holdOf(); !h.Until.IsZero() {
			return admin.Conflict(fmt.Sprintf("%q is held by hand until %s: rouse release %s ends that", p.target.Name(), h.Until.Local().Format("Jan 2, 15:04"), p.target.Name()))
		}
		if st := p.target.Status(); !force && st.Held+st.Waiting > 0 {
			return admin.Conflict(fmt.Sprintf("%q is not stopped: %v", p.target.Name(), &target.InUse{Held: st.Held, Waiting: st.Waiting}))
		}
	}
	ctx, end := context.WithTimeout(a.run.accepting, stopTime)
	defer end()
	if force {
		if err := a.force(ctx, parts, by); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := p.target.Stop(ctx); err != nil {
			return admin.Conflict(fmt.Sprintf("%q is not stopped: %v", p.target.Name(), err))
		}
		a.steer(p, by, "stopped by hand", "")
	}
	return nil
}

const stopTime = 5 * time.Second // that the owner of a target has to answer

// steerable returns the parts of a name, if rouse is not about to end.
func (a *App) steerable(name string) ([]*part, error) {
	if a.run == nil || a.run.accepting.Err() != nil {
		return nil, target.ErrEnding
	}
	parts := a.named(name)
	if len(parts) == 0 {
		return nil, errors.New("there is neither a target nor a group of that name")
	}
	return parts, nil
}
