package config

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate checks everything that holds for a Config, however it was made: names are
// valid and unique, every route has a target, addresses can be dialled and listened on,
// durations are within their bounds. The error is [Problems], each with the path of the
// value.
func (c *Config) Validate() error {
	var p Problems
	if len(c.Targets) == 0 {
		p.add("targets", wrong("there is none", "a rouse needs at least one"))
	}
	if len(c.Routes) == 0 {
		p.add("routes", wrong("there is none", "a rouse needs at least one"))
	}
	names := map[string]Backend{}
	for i, t := range c.Targets {
		where := fmt.Sprintf("targets[%d]", i)
		if _, twice := names[t.Name]; twice {
			p.add(where+".name", wrong(show(t.Name)+" is the name of another target too", "each needs its own"))
		}
		names[t.Name] = t.Backend
		t.validate(&p, where)
	}
	c.validateRoutes(&p, names)
	c.validateNeeds(&p)
	if c.State != "" {
		p.add("state", checkPath(c.State))
	}
	if c.Trace != "" {
		p.add("trace", second(parseFile(c.Trace)))
	}
	p.add("log_format", second(parseLogFormat(string(c.LogFormat))))
	if !slices.Contains([]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}, c.LogLevel) {
		p.add("log_level", wrong(c.LogLevel.String()+" is not a level", "write debug, info, warn or error"))
	}
	p.checkSpan("drain", drainSpan, c.Drain)
	p.add("on_exit", second(parseOnExit(string(c.OnExit))))
	return p.orNil()
}

// second returns its second argument: the error of a parse whose value is known.
func second[T any](_ T, err error) error { return err }

// checkSpan records what is wrong with a duration.
func (p *Problems) checkSpan(where string, s span, d time.Duration) {
	p.add(where, s.check(d, formatDuration(d)))
}

// validate checks one target.
func (t Target) validate(p *Problems, where string) {
	p.add(where+".name", second(parseName(t.Name)))
	t.Backend.validate(p, where+".backend")
	t.Hooks.validate(p, where+".hooks")
	t.Probe.validate(p, where+".probe")
	if len(t.Busy.Command) > 0 {
		p.add(where+".busy.command", checkCommand(t.Busy.Command))
	}
	p.checkSpan(where+".cooldown", cooldownSpan, t.Cooldown)
	p.checkSpan(where+".start_timeout", startSpan, t.StartTimeout)
	p.checkSpan(where+".stop_timeout", stopSpan, t.StopTimeout)
	p.checkSpan(where+".recheck", recheckSpan, t.Recheck)
	p.add(where+".release_rate", checkRate(t.ReleaseRate, formatRate(t.ReleaseRate)))
	if t.StartTimeout > 0 && t.Probe.Settle <= settleSpan.most {
		p.add(where+".probe.settle", checkSettle(t))
	}
}

// validate checks where a target is.
func (b Backend) validate(p *Problems, where string) {
	if b.Socket != "" {
		p.add(where, checkSocket(b.Socket))
		return
	}
	host, err := parseHost(b.Host)
	if err == nil && host != b.Host {
		err = wrong(show(b.Host)+" is not in its plain form", "write "+host)
	}
	p.add(where+".host", err)
	if b.Port == 0 {
		p.add(where+".port", second(parsePort(strconv.Itoa(0))))
	}
}

// validate checks the commands and the environment of a target.
func (h Hooks) validate(p *Problems, where string) {
	p.add(where+".start", checkCommand(h.Start))
	p.add(where+".stop", checkCommand(h.Stop))
	if len(h.Status) > 0 {
		p.add(where+".status", checkCommand(h.Status))
	}
	for i, v := range h.Env {
		p.add(fmt.Sprintf("%s.env[%d]", where, i), v.check())
	}
	p.addTwice(where+".env", h.Env)
}

// checkCommand checks the path of a program and its arguments.
func checkCommand(command []string) error {
	if len(command) == 0 {
		return wrong("missing", "write the path of a program")
	}
	if slices.ContainsFunc(command, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		return wrong("the command has a NUL in it", "write it without")
	}
	return checkPath(command[0])
}

// validate checks that the fields of the probe's kind are set, and only they.
func (b Probe) validate(p *Problems, where string) {
	p.checkSpan(where+".settle", settleSpan, b.Settle)
	others := b
	others.Kind, others.Settle, others.Interval, others.Timeout, others.SendProxy = "", 0, 0, 0, ""
	switch b.Kind {
	case ProbeTCP:
	case ProbeTLS:
		others.ServerName, others.Verify = "", false
	case ProbeHTTP, ProbeHTTPS:
		others.Path, others.Status = "", nil
		if b.Kind == ProbeHTTPS {
			others.ServerName, others.Verify = "", false
		}
		if b.Path == "" {
			p.add(where+".path", wrong("missing", "write one, such as /"))
		} else {
			p.add(where+".path", checkHTTPPath(b.Path, b.Path))
		}
	case ProbeBanner:
		others.Expect = ""
		p.add(where+".expect", checkBanner(b.Expect, b.Expect))
	case ProbeExec:
		others.Command = nil
		p.add(where+".command", checkCommand(b.Command))
	default:
		p.add(where+".kind", wrong(show(string(b.Kind))+" is not a probe", probeHint(string(b.Kind))))
		return
	}
	if !reflect.DeepEqual(others, Probe{}) {
		p.add(where, wrong("a "+string(b.Kind)+" probe has what belongs to another kind", "write only its own"))
	}
}

// mostRoutes bounds what one rouse listens on: each listener costs descriptors of its own.
const mostRoutes = 1024

// validateRoutes checks that each listener is one listener and leads to a target.
func (c *Config) validateRoutes(p *Problems, targets map[string]Backend) {
	if len(c.Routes) > mostRoutes {
		p.add("routes", wrong(fmt.Sprintf("there are %d", len(c.Routes)), fmt.Sprintf("one rouse listens on at most %d ports", mostRoutes)))
		return
	}
	byPort := map[uint16][]netip.Addr{}
	for _, r := range c.Routes {
		byPort[r.Listen.Port()] = append(byPort[r.Listen.Port()], r.Listen.Addr())
	}
	var seen []netip.AddrPort
	sockets := map[string]bool{}
	for i, r := range c.Routes {
		where := fmt.Sprintf("routes[%d]", i)
		switch path := r.Socket.Path; {
		case path == "":
			p.add(where+".listen", checkListen(r.Listen, seen))
			seen = append(seen, r.Listen)
		case sockets[path]:
			p.add(where+".listen", wrong(path+" is the listener of another route too", "each needs its own"))
		default:
			sockets[path] = true
		}
		if r.Transparent && c.overSockets(r) {
			p.add(where+".transparent", wrong("a unix socket knows no addresses of clients", "leave transparent: out"))
		}
		backend, known := targets[r.Target]
		if r.Target == "" && len(r.Choices) > 0 {
			continue
		}
		if !known {
			p.add(where+".target", wrong("there is no target "+show(r.Target), "write the name of one"))
			continue
		}
		backend.Port = cmp.Or(r.Port, backend.Port)
		for _, addr := range byPort[backend.Port] {
			p.add(where+".listen", checkLoop(netip.AddrPortFrom(addr, backend.Port), backend))
		}
	}
}

// overSockets says whether a route comes from or leads to a unix socket.
func (c *Config) overSockets(r Route) bool {
	return r.Socket.Path != "" || slices.ContainsFunc(append([]To{r.To}, choiceTargets(r)...), func(to To) bool {
		return to.Path != "" || to.Port == 0 && c.target(to.Target).Backend.Socket != ""
	})
}

// validateNeeds checks that the targets that others need are there, and need nobody who needs them.
func (c *Config) validateNeeds(p *Problems) {
	for i, t := range c.Targets {
		for j, need := range t.Needs {
			where := fmt.Sprintf("targets[%d].needs[%d]", i, j)
			switch {
			case c.target(need).Name == "":
				p.add(where, wrong("there is no target "+show(need), "write the name of one"))
			case need == t.Name:
				p.add(where, wrong(show(need)+" is the target itself", "write the names of others"))
			case c.leads(need, t.Name, map[string]bool{}):
				p.add(where, wrong(show(t.Name)+" needs "+show(need)+", which needs it in turn", "one of them must do without the other"))
			}
		}
	}
}

// leads says whether a target is another one, or needs it, itself or through others.
func (c *Config) leads(from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(c.target(from).Needs, func(next string) bool { return c.leads(next, to, seen) })
}

// checkListen refuses what nobody can listen on, and what would take the place of a listener before it.
func checkListen(listen netip.AddrPort, before []netip.AddrPort) error {
	switch {
	case !listen.Addr().IsValid():
		return wrong("missing", "write an IP address and port")
	case listen.Addr().Is4In6():
		return wrong(listen.String()+" is not in its plain form", "write the IPv4 address")
	}
	if err := checkUnicast(listen.Addr(), show(listen.Addr().String())); err != nil {
		return err
	}
	for _, other := range before {
		if listen.Port() == 0 || other.Port() != listen.Port() {
			continue
		}
		if other == listen {
			return wrong(listen.String()+" is the listener of another route too", "each needs its own")
		}
		if covers(other.Addr(), listen.Addr()) || covers(listen.Addr(), other.Addr()) {
			return wrong(listen.String()+" and "+other.String()+" are in each other's way", "one of them stands for every address of this machine")
		}
	}
	return nil
}

// covers reports whether a listener on all takes the connections to one: on :: it takes those of IPv4 as well.
func covers(all, one netip.Addr) bool { return all.IsUnspecified() && (all.Is6() || one.Is4()) }
