package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// doubt notes what may not have been meant.
func (b *builder) doubt(at mark, err error) {
	if len(b.doubts) < mostKept {
		b.doubts = append(b.doubts, finding{at, err})
	}
}

// secretName matches what people call variables that hold secrets.
var secretName = regexp.MustCompile(`(?i)(^|_)(token|secret|key|credentials?|auth)s?(_|$)|pass(word|wd|phrase)?|apikey`)

// secretPlace matches names of variables that say where a secret is, or whose.
var secretPlace = regexp.MustCompile(`(?i)_(id|file|path|dir|name|url)$`)

// doubtLiteral looks at a value that stands in the file itself.
func (b *builder) doubtLiteral(e VariableEntry) {
	if e.Value.variable == "" && e.Value.raw != "" && e.Name.at.source.Public && secretName.MatchString(e.Name.raw) && !secretPlace.MatchString(e.Name.raw) {
		b.doubt(e.Name.at, wrong("other users of this machine can read this file, and "+show(e.Name.raw)+" looks like a secret",
			"chmod 600 "+e.Name.at.source.Name+", or write file: and a path"))
	}
}

// warn looks for what is right and may not have been meant.
func (b *builder) warn() {
	led := map[string]bool{}
	for _, r := range b.config.Routes {
		led[r.Target] = true
		for _, c := range r.Choices {
			led[c.Target] = true
		}
	}
	for _, t := range b.config.Targets {
		for _, name := range t.Needs {
			led[name] = true
		}
	}
	for i, t := range b.config.Targets {
		if !led[t.Name] {
			b.doubt(b.made[i].at, wrong("no listener leads to the target "+show(t.Name)+", so nobody can wake it", "write one below listeners:"))
		}
		b.warnPaths(i)
		for j := range i {
			b.warnTwins(j, i)
		}
	}
	b.warnGates()
}

// speakFirst are ports at which the server speaks first.
var speakFirst = map[uint16]string{21: "FTP", 25: "SMTP", 110: "POP3", 143: "IMAP", 587: "SMTP", 3306: "MySQL", 5900: "VNC"}

// warnGates finds gates that wait for each other with the server, and those that do nothing.
func (b *builder) warnGates() {
	var last mark
	for i, r := range b.config.Routes {
		at := b.heard[i].at
		if at == last {
			continue
		}
		last = at
		port := cmp.Or(r.Port, b.config.target(r.Target).Backend.Port)
		protocol, first := speakFirst[port]
		if waits := r.Gate.FirstBytes > 0 || len(r.Gate.WakeOn) > 0 || len(r.Choices) > 0; waits && first {
			b.doubt(at, wrong(fmt.Sprintf("the gate waits for the client to speak, and at port %d (%s) the server speaks first: both would wait", port, protocol),
				"use min-hold or wake-from in its place"))
		}
		if r.Gate.Observe {
			b.doubt(at, wrong("the gate only observes, so it refuses nobody", "leave gate: observe out once the log has shown enough"))
		}
	}
}

// warnPaths finds hooks that depend on where rouse is started.
func (b *builder) warnPaths(i int) {
	t := b.config.Targets[i]
	for _, h := range []struct {
		name string
		argv []string
	}{{"hooks.start", t.Hooks.Start}, {"hooks.stop", t.Hooks.Stop}, {"hooks.status", t.Hooks.Status}, {"probe.command", t.Probe.Command}, {"busy.command", t.Busy.Command}} {
		if len(h.argv) > 0 {
			at, _ := nearestPath(b.places, fmt.Sprintf("targets[%d].%s", i, h.name))
			b.doubtPath(h.argv[0], at)
		}
	}
}

// doubtPath finds a path that depends on where rouse is started.
func (b *builder) doubtPath(path string, at mark) {
	if !strings.HasPrefix(path, "/") && !strings.Contains(path, `:\`) {
		b.doubt(at, wrong(show(path)+" begins where rouse is started, not at this file", "write the whole path"))
	}
}

// warnTwins finds two names of one thing: each would stop it under the clients of the other.
func (b *builder) warnTwins(i, j int) {
	x, y := b.config.Targets[i], b.config.Targets[j]
	names := show(x.Name) + " and " + show(y.Name)
	switch {
	case x.Backend == y.Backend:
		b.doubt(b.made[j].at, wrong("the targets "+names+" have the same backend, so each would stop it under the other's clients",
			"write one target, with several listeners"))
	case slices.Equal(x.Hooks.Start, y.Hooks.Start) && slices.Equal(x.Hooks.Stop, y.Hooks.Stop) && sameEnv(x.Hooks.Env, y.Hooks.Env):
		b.doubt(b.made[j].at, wrong("the targets "+names+" have the same hooks, so each may stop the other",
			"this is right only if the hooks go by ROUSE_TARGET or ROUSE_ADDRESS"))
	}
}

func sameEnv(x, y []Variable) bool {
	return slices.EqualFunc(x, y, func(x, y Variable) bool { return x.Entry() == y.Entry() })
}

// shared is 100.64.0.0/10, which is behind some carrier or overlay network.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Unstated returns the listeners that strangers may reach, and of which nothing says who may wake the target: one connection
// buys minutes of a machine's time.
func (c *Config) Unstated() Problems {
	var problems Problems
	for i, r := range c.Routes {
		ip := r.Listen.Addr()
		if r.Socket.Path != "" || r.Gate.WakeFrom.Stated() || r.Gate.ConnectFrom.Stated() && !r.Gate.ConnectFrom.Any {
			continue
		}
		where := fmt.Sprintf("routes[%d].listen", i)
		const hint = "write wake-from: any, or better the networks of those who may, such as wake-from: [192.168.0.0/16]"
		switch {
		case ip.IsUnspecified():
			problems.add(where, wrong("this listens on every address of this machine, and nothing says who may wake the target", hint))
		case !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !shared.Contains(ip):
			problems.add(where, wrong(ip.String()+" is a public address, and nothing says who may wake the target", hint))
		}
	}
	return problems
}

// plainError is an error without the path that the message has already.
func plainError(err error) string {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err.Error()
	}
	return err.Error()
}
