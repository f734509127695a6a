package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/savings"
	"github.com/rouse-proxy/rouse/internal/tune"
)

const (
	tuneBeat  = 24 * time.Hour
	tuneFirst = time.Minute         // after the start, when the history is open
	tuneSpan  = 60 * 24 * time.Hour // of the past by which the cooldown is chosen
	tuneKind  = "cooldown"
	// WorthOfWaiting is what an hour of a person's waiting is worth, in the currency of the target, if nothing is said.
	WorthOfWaiting = 20
)

// chosen is the cooldown that the tuner has chosen; 0: none so far.
type chosen struct{ nanoseconds atomic.Int64 }

// kept is how that outlives a restart.
type keptCooldown struct {
	Seconds float64 `json:"seconds"`
}

// cooldown returns the one in force.
func (p *part) cooldown() time.Duration { return p.cooldownOf(p.config()) }

func (p *part) cooldownOf(t config.Target) time.Duration {
	if d := time.Duration(p.chosen.nanoseconds.Load()); t.Auto.On && d > 0 {
		return min(max(d, t.Auto.Least), t.Auto.Most)
	}
	return t.Cooldown
}

// chosenBefore takes up what a rouse before this one has chosen.
func (a *App) chosenBefore(p *part) {
	var k keptCooldown
	if _, err := a.store.LoadNote(p.cfg.Name, tuneKind, &k); err != nil {
		a.logger.Warn("the cooldown that was chosen is lost, and will be chosen again", "target", p.cfg.Name, "err", err)
	}
	p.chosen.nanoseconds.Store(int64(k.Seconds * float64(time.Second)))
}

// tuneAll chooses cooldowns anew each day, until ctx ends.
func (a *App) tuneAll(ctx context.Context) {
	rest(ctx, tuneFirst)
	for ctx.Err() == nil {
		for _, p := range a.everyPart() {
			if p.config().Auto.On {
				a.tune(ctx, p)
			}
		}
		rest(ctx, tuneBeat)
	}
}

// tune chooses the cooldown of one target, and puts it in force.
func (a *App) tune(ctx context.Context, p *part) {
	t, r := p.config(), a.history.Reader()
	if r == nil {
		a.logger.Warn("the cooldown is not chosen: there is no history", "target", t.Name, "cooldown", p.cooldown())
		return
	}
	c, _, err := TuneTarget(ctx, r, t, time.Now().Add(-tuneSpan), time.Now(), PriceOf(t))
	if err != nil {
		a.logger.Warn("the cooldown is not chosen", "target", t.Name, "cooldown", p.cooldown(), "err", err)
		return
	}
	before := p.cooldown()
	d := c.Cooldown.Round(time.Second)
	if d == before {
		return
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	p.chosen.nanoseconds.Store(int64(d))
	if err := a.store.SaveNote(t.Name, tuneKind, keptCooldown{d.Seconds()}); err != nil {
		a.logger.Warn("the cooldown that was chosen does not outlive a restart", "target", t.Name, "err", err)
	}
	if err := p.target.Change(a.settings(p, p.config(), p.gearNow())); err != nil {
		a.logger.Warn("the cooldown stays as it was", "target", t.Name, "err", err)
		return
	}
	a.events.Emit(event.Event{Kind: event.CooldownChosen, Target: t.Name, Delay: d, Cause: fmt.Sprintf("%s (before: %s)", c.Reason, tune.Brief(before))})
}

// PriceOf is what the tuner weighs for a target, as far as the config says it. How long a start takes comes from the history.
func PriceOf(t config.Target) tune.Price {
	p := tune.Price{PerHour: t.Cost.PerHour - t.Cost.StoppedPerHour, PerStart: t.Cost.PerStart, Waiting: t.Cost.WaitingPerHour}
	if p.Waiting == 0 {
		p.Waiting = WorthOfWaiting
	}
	return p
}

// usualStart is how long a start takes of which nothing is known.
const usualStart = time.Minute

// TuneTarget says which cooldown would have been best for the use of a target in a span of time, at a price whose times are filled in.
func TuneTarget(ctx context.Context, r *history.Reader, t config.Target, since, until time.Time, price tune.Price) (tune.Choice, tune.Price, error) {
	if price.PerHour <= 0 && price.PerStart <= 0 {
		return tune.Choice{}, price, fmt.Errorf("nothing says what target %q costs: write cost: {per-hour: 0.40} below it, or give --per-hour", t.Name)
	}
	if first, err := r.First(ctx, t.Name); err != nil {
		return tune.Choice{}, price, err
	} else if first.After(since) {
		since = first
	}
	record, err := usesOf(ctx, r, t.Name, since, until)
	if err != nil {
		return tune.Choice{}, price, err
	}
	observed, err := recordOf(ctx, r, t, since, until)
	if err != nil {
		return tune.Choice{}, price, err
	}
	price.StartTime = observed.Waits.TypicalStart
	if price.StartTime == 0 {
		price.StartTime = usualStart
	}
	price.StopTime = stopTimeOf(observed.Intervals)
	bounds := tune.Bounds{Least: t.Auto.Least, Most: t.Auto.Most}
	if !t.Auto.On {
		bounds = tune.Bounds{Least: time.Minute, Most: 4 * time.Hour}
	}
	return tune.Choose(record, price, bounds), price, nil
}

// usesOf is when a target was used: by each client, as far back as connections are kept, and before that by when somebody was there, waits included.
func usesOf(ctx context.Context, r *history.Reader, name string, since, until time.Time) (tune.Record, error) {
	record := tune.Record{Horizon: until.Sub(since)}
	stays, err := r.Stays(ctx, name, since, until)
	if err != nil {
		return record, err
	}
	before := until
	if len(stays) > 0 {
		before = stays[0].Since
	}
	older, err := r.Uses(ctx, name, since, before)
	for _, u := range append(older, stays...) {
		record.Uses = append(record.Uses, tune.Use{From: u.Since.Sub(since), Until: u.Until.Sub(since)})
	}
	return record, err
}

// stopTimeOf is how long stops took on average.
func stopTimeOf(intervals []savings.Interval) time.Duration {
	var all, n time.Duration
	for _, i := range intervals {
		if i.State == "stopping" {
			all += i.Until.Sub(i.Since)
			n++
		}
	}
	return all / max(n, 1)
}
