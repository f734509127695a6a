package app

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/metrics"
	"github.com/rouse-proxy/rouse/internal/savings"
	"github.com/rouse-proxy/rouse/internal/target"
)

// openHistory makes what takes all events. Nothing is read or written yet, and nothing that may happen to the file keeps rouse from
// starting.
func (a *App) openHistory() {
	h := a.cfg.History
	opts := history.Options{Keep: h.Keep, Size: h.Size, Logger: a.logger}
	if !h.Off {
		opts.Path = history.Path(a.store.Path())
	}
	a.history = history.New(opts)
	a.metrics = metrics.New(a.opts.Version, a.measured)
	a.onClose(func() error {
		if err := a.history.Close(); err != nil {
			a.logger.Error("the history may lack its end", "err", err)
		}
		return nil
	})
}

// trafficBeat is how often it is looked how many bytes were carried.
const trafficBeat = 10 * time.Second

// watchTraffic keeps how many bytes are carried, until ctx ends.
func (a *App) watchTraffic(ctx context.Context) {
	last := map[string][2]int64{}
	for ctx.Err() == nil {
		rest(ctx, trafficBeat)
		now := time.Now()
		for name, p := range a.everyPart() {
			sent, received := p.meter.Bytes()
			before := last[name]
			last[name] = [2]int64{sent, received}
			a.history.Traffic(name, now, max(sent-before[0], 0), max(received-before[1], 0))
		}
	}
}

// everyPart returns the parts that there are now, by name.
func (a *App) everyPart() map[string]*part {
	a.mu.Lock()
	defer a.mu.Unlock()
	parts := make(map[string]*part, len(a.parts))
	maps.Copy(parts, a.parts)
	return parts
}

// Status tells what is so now of all targets, by name.
func (s steered) Status() admin.Status {
	st := admin.Status{Version: s.opts.Version, Now: time.Now(), Started: s.began, History: s.history.Reader() != nil, Targets: []admin.Target{}}
	if a := s.AdminAddr(); a != nil {
		st.Address = a.String()
	}
	listeners := s.listenersOf()
	cfg := s.config()
	for name, p := range s.everyPart() {
		t := s.describe(p)
		t.Listeners, t.Leaving = listeners[name], cfg.Named(name) == nil
		st.Targets = append(st.Targets, t)
	}
	slices.SortFunc(st.Targets, func(x, y admin.Target) int { return cmp.Compare(x.Name, y.Name) })
	return st
}

// listenersOf returns the addresses at which each target can be had.
func (a *App) listenersOf() map[string][]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string][]string{}
	for _, l := range a.listeners {
		for _, name := range targetsOf(l.route) {
			all[name] = append(all[name], l.Addr().String())
		}
	}
	for _, addresses := range all {
		slices.Sort(addresses)
	}
	return all
}

// describe tells of one target.
func (s steered) describe(p *part) admin.Target {
	st, h, cfg := p.target.Status(), p.hand.holdOf(), p.config()
	now := s.history.Target(cfg.Name)
	t := admin.Target{
		Name: cfg.Name, Groups: cfg.Groups, State: st.State.String(), Health: healthOf(st), Since: st.Since, Operation: st.Operation, Began: now.Since,
		Expected: now.Expected().Seconds(), Address: st.Address, Held: st.Held, Waiting: st.Waiting, Visitors: st.Visitors, Clients: now.Clients,
		Cooldown: p.cooldown().Seconds(), StopAt: st.StopAt, Busy: st.Busy, Hold: h.Until, Why: h.Why, By: h.By, Connections: now.Connections, Starts: now.Starts,
	}
	if m := p.maintenance(); m.Mode != "" {
		t.Maintenance, t.MaintainWhy = m.Mode, m.Why
	}
	t.Sent, t.Received = p.meter.Bytes()
	if st.Err != nil {
		t.Error = st.Err.Error()
	}
	if cfg.Cost.Known() {
		t.Cost = &admin.Cost{Currency: cfg.Cost.Currency, PerHour: cfg.Cost.PerHour}
	}
	return t
}

// healthOf is what a monitor wants to know.
func healthOf(st target.Status) string {
	switch {
	case st.Err != nil && st.State != target.Ready, st.State == target.Failed:
		return admin.Failing
	case st.State == target.Ready:
		return admin.Up
	case st.State == target.Stopped || st.State == target.Stopping:
		return admin.Asleep
	default:
		return admin.Waking
	}
}

// measured is the same for scrapers.
func (a *App) measured() []metrics.Target {
	var all []metrics.Target
	for _, t := range (steered{App: a}).Status().Targets {
		all = append(all, metrics.Target{
			Name: t.Name, State: t.State, Clients: t.Clients, Waiting: t.Waiting, Visitors: t.Visitors, Sent: t.Sent, Received: t.Received,
			StopAt: t.StopAt, HoldUntil: t.Hold, Maintenance: t.Maintenance != "",
		})
	}
	return all
}

// Metrics answers scrapers.
func (s steered) Metrics() http.Handler { return s.metrics.Handler() }

// History returns what is kept.
func (s steered) History() *history.Store { return s.history }

// Savings reckons what the targets cost.
func (s steered) Savings(ctx context.Context, name string, since, until time.Time) (savings.Report, error) {
	r := s.history.Reader()
	if r == nil {
		return savings.Report{}, admin.Conflict("there is no history to reckon with: it is turned off, or its file cannot be read; the log has more")
	}
	return Savings(ctx, r, s.config(), name, since, until)
}

// Savings reckons what the targets of a config cost by their history: one, or all of them for an empty name.
func Savings(ctx context.Context, r *history.Reader, cfg *config.Config, name string, since, until time.Time) (savings.Report, error) {
	all := []savings.Summary{}
	for _, t := range cfg.Targets {
		if name != "" && t.Name != name {
			continue
		}
		record, err := recordOf(ctx, r, t, since, until)
		if err != nil {
			return savings.Report{}, err
		}
		all = append(all, savings.Reckon(record, time.Local))
	}
	if name != "" && len(all) == 0 {
		return savings.Report{}, admin.NotFound("there is no target " + name)
	}
	return savings.Sum(since, until, all), nil
}

// recordOf reads what was observed of a target.
func recordOf(ctx context.Context, r *history.Reader, t config.Target, since, until time.Time) (savings.Record, error) {
	record := savings.Record{Target: t.Name, Prices: savings.Prices{
		PerHour: t.Cost.PerHour, StoppedPerHour: t.Cost.StoppedPerHour, PerStart: t.Cost.PerStart, WaitingPerHour: t.Cost.WaitingPerHour,
		Currency: t.Cost.Currency, Watts: t.Power.Watts, StoppedWatts: t.Power.StoppedWatts,
	}}
	intervals, err := r.Intervals(ctx, t.Name, since, until)
	if err != nil {
		return record, err
	}
	for _, i := range intervals {
		record.Intervals = append(record.Intervals, savings.Interval{State: i.State, Since: i.Since, Until: i.Until})
	}
	starts, err := r.Starts(ctx, history.Query{Target: t.Name, Since: since, Until: until, Limit: history.MostEntries})
	if err != nil {
		return record, err
	}
	w := &record.Waits
	var took []time.Duration
	for _, s := range starts {
		w.Starts++
		w.StartsOn = append(w.StartsOn, s.At)
		if s.OK {
			took = append(took, time.Duration(s.Took))
		} else {
			w.Failed++
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		w.TypicalStart = took[len(took)/2]
	}
	hours, err := r.Hours(ctx, t.Name, since, until)
	for _, h := range hours {
		w.Count += h.Waits
		w.Total += time.Duration(h.Waited)
		w.Longest = max(w.Longest, time.Duration(h.Longest))
		w.ClientsInAll += h.Arrivals
		w.RefusedClients += h.Refused
	}
	return record, err
}
