package app

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/proxy"
	"github.com/rouse-proxy/rouse/internal/shape"
)

// plan builds how the clients of a route are led. The error is about files of lists, which are of this machine.
func (a *App) plan(r config.Route, parts map[string]*part) (*proxy.Plan, error) {
	p := &proxy.Plan{}
	var err error
	if err := checkTransparent(r); err != nil {
		return nil, err
	}
	if p.Gate, err = newGate(r.Gate); err != nil {
		return nil, err
	}
	if p.ProxyFrom, err = listOf(r.ProxyFrom); err != nil {
		return nil, err
	}
	if r.ProxyFrom.Any {
		p.ProxyFrom = everybody
	}
	if r.Target != "" {
		p.Default = a.lane(r, r.To, parts[r.Target])
	}
	for _, c := range r.Choices {
		lane := a.lane(r, c.To, parts[c.Target])
		lane.Rule = rule(c.Shape)
		p.Lanes = append(p.Lanes, lane)
	}
	return p, nil
}

// checkTransparent says what keeps the clients of a route from being connected from their own addresses.
func checkTransparent(r config.Route) error {
	if !r.Transparent {
		return nil
	}
	for _, network := range []string{"tcp4", "tcp6"} {
		if network == "tcp6" && r.Listen.Addr().Is4() {
			continue
		}
		if err := probe.CheckFrom(network); err != nil {
			return fmt.Errorf("listener %v with transparent: yes: this system does not let rouse connect from the addresses of clients: %w; "+
				"run it on Linux with CAP_NET_ADMIN, or leave the key out", r.Listen, err)
		}
	}
	return nil
}

// everybody is a list of all addresses.
var everybody = func() *gate.List {
	all, _ := gate.NewList([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, nil) // no file can fail
	return all
}()

// lane builds the way to a port of a target.
func (a *App) lane(r config.Route, to config.To, p *part) *proxy.Lane {
	lane := &proxy.Lane{
		Target: p.target, Port: to.Port, Socket: to.Path, Blame: p.blame, Dial: p.gear.prober.Dial, Patience: p.patience(),
		ReleaseRate: p.cfg.ReleaseRate, Seats: p.seats, Exempt: p.gear.exempt, Meter: &p.meter, Pause: &p.upkeep.pause, Direct: (&guide{app: a}).direct,
	}
	if p.cfg.NoTraffic > 0 {
		lane.Traffic = p.quiet
	}
	if lane.Socket == "" && lane.Port == 0 {
		lane.Socket = p.cfg.Backend.Socket
	}
	lane.SendProxy = versionOf(r.SendProxy)
	if r.Transparent {
		lane.DialFrom = p.gear.prober.DialFrom
	}
	return lane
}

// newGate builds the gate of a route; nil if it would let everybody connect and wake.
func newGate(g config.Gate) (*gate.Gate, error) {
	opts := gate.Options{
		Observe: g.Observe, MinHold: g.MinHold, FirstBytes: g.FirstBytes, Source: gate.Rate(g.SourceRate), Route: gate.Rate(g.RouteRate),
	}
	var errs [3]error
	opts.Connect, errs[0] = listOf(g.ConnectFrom)
	opts.Wake, errs[1] = listOf(g.WakeFrom)
	opts.Health, errs[2] = listOf(g.Health.From)
	switch g.Health.Answer {
	case config.HealthAccept:
		opts.Answer = gate.AnswerAccept
	case config.HealthHTTP:
		opts.Answer = gate.AnswerHTTP
	}
	if g.Health.From.Any {
		opts.Health = everybody
	}
	for _, s := range g.WakeOn {
		opts.Shapes = append(opts.Shapes, *rule(s))
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if opts.Connect == nil && opts.Wake == nil && opts.Health == nil && opts.Source.Count+opts.Route.Count+len(opts.Shapes) == 0 && opts.MinHold+opts.FirstBytes == 0 {
		return nil, nil
	}
	return gate.New(opts), nil
}

// listOf builds a list; nil if everybody is in it, or nothing is said.
func listOf(s config.Sources) (*gate.List, error) {
	if s.Any || !s.Stated() {
		return nil, nil
	}
	l, err := gate.NewList(s.Prefixes, s.Files)
	if err != nil {
		return nil, fmt.Errorf("who may connect or wake: %w", err)
	}
	return l, nil
}

// InspectLists finds files of networks that cannot be read or understood. Each problem stands at the path of its list in cfg.
func InspectLists(cfg *config.Config) (problems config.Problems) {
	look := func(path string, s config.Sources) {
		if _, err := gate.NewList(nil, s.Files); err != nil {
			problems = append(problems, config.Problem{Where: path, Text: err.Error(), Hint: "write a network or an address in each line"})
		}
	}
	for i, t := range cfg.Targets {
		look(fmt.Sprintf("targets[%d].budget.exempt", i), t.Budget.Exempt)
	}
	for i, r := range cfg.Routes {
		path := fmt.Sprintf("routes[%d].", i)
		look(path+"gate.connect_from", r.Gate.ConnectFrom)
		look(path+"gate.wake_from", r.Gate.WakeFrom)
		look(path+"gate.health.from", r.Gate.Health.From)
		look(path+"proxy_from", r.ProxyFrom)
	}
	return problems
}

// rule turns a shape of the config, which is checked, into a rule.
func rule(s config.Shape) *shape.Rule {
	r := &shape.Rule{
		Kind: shape.Kind(s.Kind), Names: s.Names, Paths: s.Paths, Methods: s.Methods, UserAgents: s.UserAgents, Databases: s.Databases, Users: s.Users, Status: s.Status,
	}
	if s.Regexp != "" {
		r.Regexp = regexp.MustCompile(s.Regexp)
	}
	return r
}

// budgetOptions says what is counted for a target, and what bounds it.
func (a *App) budgetOptions(t config.Target) gate.BudgetOptions {
	b := t.Budget
	return gate.BudgetOptions{
		Target: t.Name, StartsPerHour: b.StartsPerHour, StartsPerDay: b.StartsPerDay, HoursPerDay: b.HoursPerDay, HoursPerMonth: b.HoursPerMonth,
		MoneyPerDay: b.MoneyPerDay, PricePerHour: b.PricePerHour, PricePerStart: b.PricePerStart, Ledgers: a.store, Logger: a.logger,
	}
}

// reloadLists reads the files of a plan's lists again that have changed.
func reloadLists(p *proxy.Plan) (errs []error) {
	errs = p.Gate.Reload()
	for _, lane := range append([]*proxy.Lane{p.Default}, p.Lanes...) {
		if lane != nil && lane.Exempt != nil {
			if err := lane.Exempt.Reload(); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if p.ProxyFrom != nil {
		if err := p.ProxyFrom.Reload(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// listBeat is how often files of lists are looked at.
const listBeat = 2 * time.Second
