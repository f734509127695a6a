package gate

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rouse-proxy/rouse/internal/shape"
)

// The names of the gates, as refusals have them. They are part of the log's promise.
const (
	ConnectFrom = "connect-from"
	RateLimit   = "rate"
	WakeFrom    = "wake-from"
	MinHold     = "min-hold"
	FirstBytes  = "first-bytes"
	WakeOn      = "wake-on"
	Spending    = "budget"
	Routes      = "routes" // not gates, but refusals like theirs
	ProxyHeader = "proxy-protocol"
	Crowd       = "crowd"
	Maintenance = "maintenance"
)

// A Refusal is why a gate lets somebody not connect, or not wake.
type Refusal struct {
	Gate string // its name
	Text string // one sentence
}

// Error is what the log has.
func (r *Refusal) Error() string { return "gate " + r.Gate + ": " + r.Text }

// An Answer is what a health checker gets.
type Answer uint8

// The answers.
const (
	AnswerClosed Answer = iota // a reset
	AnswerAccept               // an end in order
	AnswerHTTP                 // a response with the state of the target
)

// Options say what a gate lets pass. The zero value lets everybody connect and wake.
type Options struct {
	Connect    *List // who may connect; nil: everybody
	Wake       *List // who may wake; nil: everybody
	Health     *List // health checkers; nil: nobody
	Answer     Answer
	Source     Rate          // connections of one IPv4 address or one IPv6 /56
	Route      Rate          // connections, all in all
	MinHold    time.Duration // for which a client must have stayed that wakes
	FirstBytes time.Duration // within which a client that wakes must have said something; 0: it need not
	Shapes     []shape.Rule  // of which a client that wakes must fit one; none: it need not
	Observe    bool          // nobody is refused for any of this; it is only told
}

// shapeTime is how long a client may take to say what wakes a target, if no other time is set.
const shapeTime = 5 * time.Second

// A Gate says who may connect on a listener and who may wake. It may be asked by anybody.
type Gate struct {
	opts    Options
	sources *limiter
	route   *limiter
}

// New returns a gate.
func New(opts Options) *Gate {
	began := time.Now()
	now := func() time.Duration { return time.Since(began) }
	if len(opts.Shapes) > 0 && opts.FirstBytes == 0 {
		opts.FirstBytes = shapeTime
	}
	return &Gate{opts: opts, sources: newLimiter(opts.Source, now), route: newLimiter(opts.Route, now)}
}

// An Action is what becomes of a client that has just come.
type Action uint8

// The actions.
const (
	Pass    Action = iota // it is served, if it may wake or need not
	Refuse                // it is reset
	Checked               // it is a health checker and gets its answer
)

// A Verdict is what a gate says to a client that has just come.
type Verdict struct {
	Action   Action
	Answer   Answer // of Checked
	Why      error  // of Refuse, a [Refusal]
	Observed error  // it would have been refused for this, and passes
}

// Arrive judges a client that has just come, before anything that it says. It is counted at its rate.
func (g *Gate) Arrive(from netip.Addr) Verdict {
	if g == nil {
		return Verdict{}
	}
	if g.opts.Health != nil && from.IsValid() && g.opts.Health.Contains(from) {
		return Verdict{Action: Checked, Answer: g.opts.Answer} // their rate is theirs: who watches is not to be locked out
	}
	why := g.arrive(from)
	switch {
	case why == nil:
		return Verdict{}
	case g.opts.Observe:
		return Verdict{Observed: why}
	}
	return Verdict{Action: Refuse, Why: why}
}

func (g *Gate) arrive(from netip.Addr) error {
	switch {
	case !g.opts.Connect.Contains(from):
		return &Refusal{ConnectFrom, from.String() + " may not connect"}
	case from.IsValid() && !g.sources.allow(source(from)):
		return &Refusal{RateLimit, fmt.Sprintf("more than %v from %v", g.opts.Source, sourceName(from))}
	case !g.route.allow(netip.Prefix{}):
		return &Refusal{RateLimit, fmt.Sprintf("more than %v on this listener", g.opts.Route)}
	}
	return nil
}

// String returns how a limit is written in a sentence.
func (r Rate) String() string { return fmt.Sprintf("%d connections in %v", r.Count, r.Within) }

// sourceName is how a source is called in a refusal.
func sourceName(ip netip.Addr) string {
	if s := source(ip); s.Addr().Is6() {
		return s.String()
	}
	return ip.Unmap().String()
}

// A Judgement is what a gate says to a client that wants to wake a sleeping target.
type Judgement struct {
	Wait     time.Duration // it is to be judged again after this, and when it has said more; 0: this is the last word
	Stay     bool          // it has only to stay for that long
	Why      error         // it may not wake, a [Refusal]; nil: it may
	Observed error         // it would not have been let wake for this
}

// Asks reports whether a client is looked at for longer than a moment before it may wake.
func (g *Gate) Asks() bool { return g != nil && (g.opts.MinHold > 0 || g.opts.FirstBytes > 0) }

// Wake judges a client that has said b so far, and will say no more if it has ended its stream, and that came so long ago. It
// decides nothing by itself and may be asked again and again: with more bytes, and later.
func (g *Gate) Wake(from netip.Addr, b []byte, ended bool, waited time.Duration) Judgement {
	if g == nil {
		return Judgement{}
	}
	j := g.wake(from, b, ended, waited)
	if j.Wait > 0 {
		return j
	}
	if j.Why != nil && g.opts.Observe {
		j = Judgement{Observed: j.Why}
	}
	return j
}

func (g *Gate) wake(from netip.Addr, b []byte, ended bool, waited time.Duration) Judgement {
	if !g.opts.Wake.Contains(from) {
		return refused(WakeFrom, from.String()+" may not wake the target")
	}
	said := g.said(b, ended, waited)
	if said.Why != nil {
		return said
	}
	if rest := g.opts.MinHold - waited; rest > 0 {
		return Judgement{Wait: rest, Stay: true}
	}
	return said
}

// said judges what the client has said.
func (g *Gate) said(b []byte, ended bool, waited time.Duration) Judgement {
	rest := g.opts.FirstBytes - waited
	late := ended || rest <= 0
	switch {
	case g.opts.FirstBytes == 0:
		return Judgement{}
	case len(b) == 0 && late:
		return refused(FirstBytes, fmt.Sprintf("it said nothing within %v", g.opts.FirstBytes))
	case len(b) == 0:
		return Judgement{Wait: rest}
	case len(g.opts.Shapes) == 0:
		return Judgement{}
	}
	fits, more := shape.Any(g.opts.Shapes, b, late)
	switch {
	case fits:
		return Judgement{}
	case more:
		return Judgement{Wait: rest}
	}
	return refused(WakeOn, "it says "+shape.Describe(b)+", which wakes nothing here")
}

func refused(gate, text string) Judgement {
	return Judgement{Why: &Refusal{gate, text}}
}

// Reload reads the files of the gate's lists again that have changed.
func (g *Gate) Reload() (errs []error) {
	if g == nil {
		return nil
	}
	for _, l := range []*List{g.opts.Connect, g.opts.Wake, g.opts.Health} {
		if l != nil {
			if err := l.Reload(); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}
