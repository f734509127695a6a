package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
)

// steered is the App as a person steers it.
type steered struct{ *App }

var _ admin.Daemon = steered{}

// Reload reads the config again.
func (s steered) Reload(cause string) (any, error) { return s.Reread(cause) }

// mostHold is how long a hold by hand may last.
const mostHold = 366 * 24 * time.Hour

// Hold keeps a target or a group awake.
func (s steered) Hold(name string, until time.Time, why string) error {
	switch d := time.Until(until); {
	case d <= 0:
		return fmt.Errorf("the time until which %q is to be held is over", name)
	case d > mostHold:
		return fmt.Errorf("%q cannot be held for longer than a year: use always-on in the config", name)
	case len(why) > 200:
		return fmt.Errorf("the reason is longer than 200 bytes")
	}
	return s.App.Hold(name, until, why)
}

// Targets tells of all targets, by name.
func (s steered) Targets() []admin.Target {
	s.mu.Lock()
	parts := make(map[string]*part, len(s.parts))
	leaving := map[string]bool{}
	for name, p := range s.parts {
		parts[name], leaving[name] = p, s.cfg.Named(name) == nil
	}
	s.mu.Unlock()
	var all []admin.Target
	for name, p := range parts {
		st, h := p.target.Status(), p.hand.holdOf()
		t := admin.Target{
			Name: name, Groups: p.config().Groups, State: st.State.String(), Since: st.Since, Address: st.Address, Held: st.Held, Waiting: st.Waiting, Visitors: st.Visitors,
			StopAt: st.StopAt, Busy: st.Busy, Hold: h.Until, Why: h.Why, Leaving: leaving[name],
		}
		if st.Err != nil {
			t.Error = st.Err.Error()
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(x, y admin.Target) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// listenAdmin lets a person steer this rouse. One that cannot be steered serves all the same.
func (a *App) listenAdmin(ctx context.Context, r *running) {
	ln, err := admin.Listen(a.store.Path())
	if err != nil {
		a.logger.Warn("rouse reload, hold, release and targets cannot talk to this rouse", "err", err)
		return
	}
	r.lives.Go(func() { admin.Serve(ctx, ln, steered{a}, a.logger) })
}
