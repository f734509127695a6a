package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// target adds one target.
func (b *builder) target(n NamedTarget) {
	e, path := n.Entry, fmt.Sprintf("targets[%d]", len(b.config.Targets))
	if i := slices.IndexFunc(b.config.Targets, func(t Target) bool { return t.Name == n.Name.raw }); i >= 0 {
		b.report(n.Name.at, wrong("there is a target "+show(n.Name.raw)+" already", "the other place is "+b.made[i].at.String()))
		return
	}
	m := made{at: n.Name.at}
	b.places[path] = n.Name.at
	t := Target{
		Name:         n.Name.raw,
		Backend:      b.backend(path, e, &m),
		Hooks:        b.hooks(path+".hooks", e.Hooks),
		Probe:        b.probe(path+".probe", e.Probe),
		StartTimeout: value(b, b.from(path+".start_timeout", Text(e.StartTimeout)), startSpan.parse),
		StopTimeout:  value(b, b.from(path+".stop_timeout", Text(e.StopTimeout)), stopSpan.parse),
		Recheck:      value(b, b.from(path+".recheck", Text(e.Recheck)), recheckSpan.parse),
		ReleaseRate:  value(b, b.from(path+".release_rate", Text(e.ReleaseRate)), parseRate),

		MinUptime:      value(b, b.from(path+".min_uptime", Text(e.MinUptime)), uptimeSpan.parse),
		MaxConnections: value(b, b.from(path+".max_connections", Text(e.MaxConnections)), parseConnections),
		Budget:         b.budget(path+".budget", e.Budget),
		AlwaysOn:       b.windows(path+".always_on", e.AlwaysOn),
		NeverWake:      b.windows(path+".never_wake", e.NeverWake),
		Needs:          b.plainNames(path+".needs", e.Needs),
		Groups:         b.plainNames(path+".groups", e.Groups),
		NoTraffic:      value(b, b.from(path+".no_traffic", Text(e.NoTraffic)), trafficSpan.parse),
		Busy:           b.busy(path+".busy", e.Busy),
		Retry:          b.retry(path+".retry", e.Retry),
		CrashLoop:      b.crashLoop(path+".crash_loop", e.CrashLoop),
		Cost:           b.cost(path+".cost", e.Cost),
		Power:          b.power(path+".power", e.Power),
	}
	t.Cooldown, t.Auto = b.cooldown(path, e)
	t.Budget.price(t.Cost)
	b.checkMoney(t.Budget, e.Budget)
	if _, err := parseName(t.Name); err != nil {
		b.report(n.Name.at, err)
	}
	b.config.Targets = append(b.config.Targets, t)
	b.made = append(b.made, m)
}

// backend reads where a target is: one address, or a host and its ports by name. The probe asks the first port, or the one
// that it names.
func (b *builder) backend(path string, e TargetEntry, m *made) Backend {
	switch {
	case e.Backend.given && (e.Host.given || len(e.Backends) > 0):
		b.report(e.Backend.at, wrong("the target has both an address and a host with ports", "write either backend, or host and backends"))
		return Backend{}
	case e.Backend.given:
		a := value(b, b.from(path+".backend", Text(e.Backend)), parseAddress)
		m.ports = []ports{a.ports}
		return b.asked(e, m, a.host)
	case !e.Host.given && len(e.Backends) == 0:
		b.report(m.at, wrong("backend is missing", "write the address of the target, such as backend: 192.168.100.15:8000"))
		return Backend{}
	case !e.Host.given:
		b.report(m.at, wrong("host is missing", "write the address of the target, such as host: 192.168.100.15"))
	case len(e.Backends) == 0:
		b.report(Text(e.Host).at, wrong("the host has no ports", "write them below backends, as in ssh: 22"))
	}
	host := value(b, b.from(path+".backend.host", Text(e.Host)), hostKey.parseHost)
	for i, p := range e.Backends {
		b.places[fmt.Sprintf("%s.backends[%d]", path, i)] = p.Ports.at
		if _, err := parseName(p.Name.raw); err != nil {
			b.report(p.Name.at, err)
		}
		named := value(b, p.Ports, parsePorts)
		named.name = p.Name.raw
		m.ports = append(m.ports, named)
	}
	return b.asked(e, m, host)
}

// asked returns the backend that the probe asks.
func (b *builder) asked(e TargetEntry, m *made, host string) Backend {
	if len(m.ports) == 0 {
		return Backend{Host: host}
	}
	chosen := m.ports[0]
	if i := slices.IndexFunc(m.ports, func(p ports) bool { return p.socket == "" }); i >= 0 {
		chosen = m.ports[i]
	}
	if e.Probe.Backend.given {
		var err error
		if chosen, err = m.pick(e.Probe.Backend); err != nil {
			b.report(e.Probe.Backend.at, Text(e.Probe.Backend).hide(err))
		}
	}
	if chosen.socket != "" {
		if slices.ContainsFunc(m.ports, func(p ports) bool { return p.socket == "" && p.first != 0 }) {
			b.report(Text(e.Probe.Backend).at, wrong("the probe asks a unix socket, and the target has ports", "let it ask a port"))
		}
		return Backend{Socket: chosen.socket}
	}
	return Backend{Host: host, Port: chosen.first}
}

// parseConnections reads how many clients are served at once.
func parseConnections(raw string) (int, error) {
	const most = 1_000_000
	n, err := strconv.Atoi(raw)
	switch {
	case !isDigits(raw):
		return 0, wrong(show(raw)+" is not a number of clients", "write a whole number, such as 100, or 0 for no limit")
	case err != nil || n > most:
		return 0, wrong(show(raw)+fmt.Sprintf(" is more than %d", most), "write 0 for no limit")
	}
	return n, nil
}

// pick returns the ports of that name. Who names none gets those of a target that has no others.
func (m made) pick(name Plain) (ports, error) {
	var names []string
	for _, p := range m.ports {
		if p.name == name.raw && (name.given || len(m.ports) == 1) {
			return p, nil
		}
		names = append(names, p.name)
	}
	unnamed := len(names) > 0 && names[0] == ""
	names = usable(names)
	switch near := Nearest(name.raw, names); {
	case len(m.ports) == 1 && !name.given:
		return m.ports[0], nil
	case len(m.ports) == 0 || name.bad:
		return ports{}, nil // told already
	case !name.given:
		return ports{}, wrong("the target has several backends", "name one with backend: "+enumerate(names))
	case unnamed:
		return ports{}, wrong("the target has one backend, without a name", "leave this key out")
	case near != "":
		return ports{}, wrong("the target has no backend "+show(name.raw), "did you mean "+near+"?")
	case len(names) == 0:
		return ports{}, wrong("the target has no backend "+show(name.raw), "give it a name that is one")
	default:
		return ports{}, wrong("the target has no backend "+show(name.raw), "its backends are "+enumerate(names))
	}
}

// usable returns the names that are any: others are told of where they stand, and shown nowhere else.
func usable(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return second(parseName(name)) != nil })
}

// enumerate lists names, but not without end.
func enumerate(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// hooks reads the programs of a target.
func (b *builder) hooks(path string, e HooksEntry) Hooks {
	return Hooks{
		Start:  b.command(path+".start", e.Start),
		Stop:   b.command(path+".stop", e.Stop),
		Status: b.command(path+".status", e.Status),
		Env:    b.environment(path+".env", e.Env),
	}
}

// command reads a path alone, or a list of a path and arguments.
func (b *builder) command(path string, c Command) []string {
	var words []string
	for i, t := range c {
		parse := func(s string) (string, error) { return s, checkArgument(s) }
		if i == 0 {
			if _, more := commandLine(t.raw); more {
				t.keep()
			}
			b.places[path] = t.at
			parse = parseCommand
		}
		words = append(words, value(b, t, parse))
	}
	return words
}

// parseCommand reads the path of a program.
func parseCommand(raw string) (string, error) {
	if first, more := commandLine(raw); more {
		return "", wrong(show(first+" …")+" is a command with arguments, and no shell runs it",
			"write a list, such as [/usr/local/bin/vm, start, web]")
	}
	words, err := parseProgram(raw)
	if err != nil {
		return "", err
	}
	return words[0], nil
}

// checkArgument refuses what no program can be given.
func checkArgument(s string) error {
	if strings.ContainsRune(s, 0) {
		return wrong("the argument has a NUL in it", "write it without")
	}
	return nil
}

// environment reads the variables of hooks.
func (b *builder) environment(path string, all Variables) []Variable {
	var env []Variable
	for i, e := range all {
		v := Variable{Name: e.Name.raw, Inherit: !e.Value.given && !e.File.given}
		b.places[fmt.Sprintf("%s[%d]", path, i)] = e.Name.at
		if i == 0 {
			b.places[path] = e.Name.at
		}
		switch {
		case e.File.given:
			v.Value = b.secret(e)
		case e.Value.given:
			v.Value = NewSecret(e.Value.raw)
			b.doubtLiteral(e)
		}
		b.report(e.Name.at, v.check())
		env = append(env, v)
	}
	return env
}

// secret reads the value of a variable from its file. One line end at its end is not part of it.
func (b *builder) secret(e VariableEntry) Secret {
	name := value(b, e.File, parseFile)
	if name == "" {
		return Secret{}
	}
	text, public, err := b.world.ReadSecret(name)
	if err != nil {
		b.report(e.File.at, wrong("the file of "+show(e.Name.raw)+" cannot be read: "+plainError(err), ""))
		return Secret{}
	}
	if public {
		b.doubt(e.File.at, wrong("other users of this machine can read the file of "+show(e.Name.raw), "chmod 600 it"))
	}
	if e.File.variable == "" {
		b.doubtPath(name, e.File.at)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	return NewSecret(s)
}
