package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	mostClients = 10 // that are named
	mostTold    = 5  // refusals that are told
)

// Why tells why a target is as it is.
func (s steered) Why(ctx context.Context, name string) (admin.Why, error) {
	p := s.part(name)
	if p == nil {
		return admin.Why{}, admin.NotFound(fmt.Sprintf("there is no target %q", name))
	}
	l := &ledger{app: s.App, part: p, st: p.target.Status(), now: s.history.Target(name), at: time.Now()}
	if err := l.remember(ctx); err != nil {
		return admin.Why{}, err
	}
	w := admin.Why{Target: name, State: l.st.State.String(), Since: l.st.Since, Now: l.present(), Wake: l.wake(), Stay: l.stay(), Refused: l.refused()}
	w.Text = tellWhy(w, l.at)
	return w, nil
}

// ledger is what the reasons are made of.
type ledger struct {
	app  *App
	part *part
	st   target.Status
	now  history.Now
	at   time.Time
}

// remember fills in from the file what a rouse before this one has seen.
func (l *ledger) remember(ctx context.Context) error {
	r := l.app.history.Reader()
	if r == nil || l.now.Starts > 0 && l.now.Stop.Kind != "" {
		return nil
	}
	for _, one := range []struct {
		to   *history.Fact
		kind event.Kind
		last func(history.Fact) bool
	}{
		{&l.now.Wake, event.OperationBegun, func(f history.Fact) bool { return f.Operation == "start" }},
		{&l.now.Stop, event.StateChanged, func(f history.Fact) bool { return f.To == "stopping" }},
	} {
		if one.to.Kind != "" {
			continue
		}
		facts, err := r.Facts(ctx, history.Query{Target: l.st.Target, Kind: one.kind, Limit: 200})
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(facts, one.last); i >= 0 {
			*one.to = facts[i]
		}
	}
	return nil
}

// present says why the target is as it is.
func (l *ledger) present() []admin.Reason {
	rs := []admin.Reason{{Text: l.stateText(), At: l.st.Since}}
	add := func(r admin.Reason) { rs = append(rs, r) }
	if m := l.part.maintenance(); m.Mode != "" {
		text := map[string]string{"refuse": "New clients are refused", "hold": "New clients have to wait"}[m.Mode] + ", since a person maintains it"
		text = byWhom(text, m.By)
		add(admin.Reason{Text: withReason(text, m.Why) + "."})
	}
	clients := l.app.history.Clients(l.st.Target, mostClients)
	for _, c := range clients {
		text := "Client " + c.Client + " is connected through " + c.Route
		if c.Visited {
			text += ", as a visitor who does not keep it awake"
		}
		add(admin.Reason{Text: text + ".", At: c.At, Client: c.Client, Route: c.Route})
	}
	if more := l.now.Clients - len(clients); more > 0 {
		add(admin.Reason{Text: fmt.Sprintf("So are %d more.", more)})
	}
	if l.st.Waiting > 0 {
		add(admin.Reason{Text: number(l.st.Waiting, "client waits", "clients wait") + " for it."})
	}
	if h := l.part.hand.holdOf(); !h.Until.IsZero() {
		add(admin.Reason{Text: withReason(byWhom("It is held by hand", h.By), h.Why) + ".", Until: h.Until})
	}
	for _, name := range l.neededBy() {
		add(admin.Reason{Text: fmt.Sprintf("Target %s needs it, and is not known to be stopped.", name)})
	}
	if until, is := l.part.gearNow().always.Open(l.at); is {
		add(admin.Reason{Text: "A window of always-on keeps it awake.", Until: until})
	}
	if until, is := l.part.gearNow().never.Open(l.at); is {
		add(admin.Reason{Text: "A window of never-wake keeps clients from waking it.", Until: until})
	}
	if err := l.part.budget.Spent(l.at); err != nil {
		add(admin.Reason{Text: "It is not woken for clients: " + strings.TrimPrefix(err.Error(), "gate budget: ") + "."})
	}
	switch {
	case l.st.StopAt.IsZero():
	case l.st.Busy:
		add(admin.Reason{Text: "Nobody uses it, but it says that it is busy: it is asked again.", Until: l.st.StopAt})
	default:
		add(admin.Reason{Text: "Nobody uses it: the cooldown runs, and then it is stopped.", Until: l.st.StopAt})
	}
	return rs
}

func (l *ledger) stateText() string {
	text := "It is " + l.st.State.String()
	if l.st.Epoch > 0 && l.st.State != target.Stopped {
		text += fmt.Sprintf(", in its run %d", l.st.Epoch)
	}
	if l.st.Err != nil {
		text += "; the last thing that failed: " + l.st.Err.Error()
	}
	return text + "."
}

// neededBy returns the targets for which this one is kept awake.
func (l *ledger) neededBy() (names []string) {
	for _, t := range l.app.config().Targets {
		if p := l.app.part(t.Name); p != nil && slices.Contains(t.Needs, l.st.Target) && p.target.Status().State != target.Stopped {
			names = append(names, t.Name)
		}
	}
	return names
}

// wake says why it woke the last time.
func (l *ledger) wake() []admin.Reason {
	f := l.now.Wake
	if f.Kind == "" {
		return []admin.Reason{{Text: "Nothing is known of a start."}}
	}
	r := admin.Reason{Text: fmt.Sprintf("It was started (run %d) because of: %s.", f.Epoch, f.Cause), At: f.At}
	rs := []admin.Reason{r}
	client := strings.TrimPrefix(f.Cause, "client ")
	if i := slices.IndexFunc(l.now.Waiters, func(w history.Fact) bool { return w.Client == client }); i >= 0 {
		w := l.now.Waiters[i]
		rs[0].Client, rs[0].Route = w.Client, w.Route
		text := "That client came through " + w.Route
		if w.Said != "" {
			text += ", and its first bytes were " + w.Said
		}
		rs = append(rs, admin.Reason{Text: text + ".", At: w.At, Client: w.Client, Route: w.Route})
	}
	if took := l.now.Expected(); took > 0 {
		rs = append(rs, admin.Reason{Text: fmt.Sprintf("A start usually takes %v.", took.Round(10*time.Millisecond))})
	}
	return rs
}

// stay says why it did not stop, or why it did.
func (l *ledger) stay() []admin.Reason {
	var rs []admin.Reason
	if i := l.now.Idle; i.Kind != "" && i.Cause != "" {
		rs = append(rs, admin.Reason{Text: "A stop was put off: " + i.Cause + ".", At: i.At})
	}
	if f := l.now.Stop; f.Kind != "" {
		rs = append(rs, admin.Reason{Text: "It was stopped the last time because of: " + f.Cause + ".", At: f.At})
	}
	if len(rs) == 0 {
		rs = append(rs, admin.Reason{Text: "Nothing is known of a stop."})
	}
	return rs
}

// refused tells of the last clients that were, the newest first.
func (l *ledger) refused() []admin.Reason {
	rs := []admin.Reason{}
	for _, f := range slices.Backward(l.now.Refused) {
		if len(rs) < mostTold {
			rs = append(rs, admin.Reason{Text: f.Error + ".", At: f.At, Client: f.Client, Route: f.Route})
		}
	}
	return rs
}

func byWhom(text, by string) string {
	if by != "" {
		text += ", by " + by
	}
	return text
}

func withReason(text, why string) string {
	if why != "" {
		text += " (" + why + ")"
	}
	return text
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// tellWhy writes all of it for a person.
func tellWhy(w admin.Why, now time.Time) string {
	var b strings.Builder
	part := func(title string, rs []admin.Reason) {
		if len(rs) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", title)
		for _, r := range rs {
			fmt.Fprintf(&b, "  %s\n", r.Sentence(now))
		}
	}
	part(w.Target+" now", w.Now)
	part("Why it woke", w.Wake)
	part("Why it stayed or stopped", w.Stay)
	part("Who was refused", w.Refused)
	return b.String()
}
