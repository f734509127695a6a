package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Loaded is a Config with the places in the files from which its values come.
type Loaded struct {
	Config   *Config
	Warnings Problems // what is right and may not have been meant
	Files    []string // from which it was read
	places   map[string]mark
}

// Place returns the problems with the place in a file at which each value of the Config was written, where they stand at the
// path of one, and with the line.
func (l *Loaded) Place(problems Problems) Problems {
	var placed Problems
	for _, p := range problems {
		if at, ok := nearestPath(l.places, p.Where); ok {
			p.Where, p.Snippet = at.String(), at.snippet()
		}
		placed = append(placed, p)
	}
	return placed
}

// FromFiles returns the Config that the files describe together. The error is [Problems] with everything that is wrong, in
// the order of the files.
func FromFiles(sources []Source, w World) (*Loaded, error) {
	b := &builder{world: w, places: map[string]mark{}, config: &Config{}}
	files := make([]File, len(sources))
	for i := range sources {
		sources[i].index = i
		b.parse(&sources[i], &files[i])
	}
	b.program(files)
	b.entries(files)
	b.relations()
	b.sight(files)
	b.checkNotified()
	if len(b.wrong) > 0 {
		return nil, listed(b.wrong)
	}
	b.warn()
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return &Loaded{Files: names, Config: b.config, Warnings: listed(b.doubts), places: b.places}, nil
}

// A builder makes one Config of the files.
type builder struct {
	world    World
	config   *Config
	places   map[string]mark // by path in the Config
	wrong    []finding
	doubts   []finding
	top      mark       // the beginning of the first file, when all files were read
	made     []made     // one for each target of the Config
	heard    []listened // one for each route
	notified []NotifyEntry
}

// entries adds targets, then the listeners that lead to them.
func (b *builder) entries(files []File) {
	targets, listeners := 0, 0
	for _, f := range files {
		for _, t := range f.Targets {
			if targets++; targets > mostTargets {
				b.report(t.Name.at, wrong("with this there are too many targets", fmt.Sprintf("one rouse has at most %d", mostTargets)))
				return
			}
			b.target(t)
		}
	}
	for _, f := range files {
		for _, l := range f.Listeners {
			listeners++
			b.listener(l)
		}
	}
	if b.top.source == nil {
		return // what does not parse is not known to lack anything
	}
	if targets == 0 {
		b.report(b.top, wrong("there is no target", "write one below targets:"))
	}
	if listeners == 0 {
		b.report(b.top, wrong("there is no listener", "write one below listeners:"))
	}
}

const mostTargets = 1000

// made is what is known of a target beside its Config.
type made struct {
	ports []ports // by name; one without a name for a target with one address
	at    mark
}

// listened is what is known of a route beside its Config.
type listened struct{ at mark }

// ports are a row of ports of a host, or a unix socket, under a name.
type ports struct {
	name        string
	first, last uint16
	socket      string
}

// A finding is something to be said about a place.
type finding struct {
	at  mark
	err error
}

func (b *builder) report(at mark, err error) {
	if err != nil && len(b.wrong) < mostKept {
		b.wrong = append(b.wrong, finding{at, err})
	}
}

// mostKept bounds what a file of mistakes costs.
const mostKept = 1000

// mostListed is how many problems are listed: nobody reads more.
const mostListed = 100

// listed returns the findings in the order of the files.
func listed(findings []finding) Problems {
	slices.SortStableFunc(findings, func(x, y finding) int {
		return cmp.Or(x.at.index()-y.at.index(), x.at.line-y.at.line, x.at.column-y.at.column)
	})
	var all Problems
	for i, f := range findings {
		if i == mostListed {
			all = append(all, Problem{Where: f.at.String(), Text: "the problems from here on are not listed"})
			break
		}
		all.add(f.at.String(), f.err)
		all[i].Snippet = f.at.snippet()
	}
	return all
}

// from notes where the value at a path comes from.
func (b *builder) from(path string, t Text) Text {
	if t.at.source != nil {
		b.places[path] = t.at
	}
	return t
}

// value understands a text. One that is not there is the zero value.
func value[T any](b *builder, t Text, parse func(string) (T, error)) T {
	var none T
	if t.bad || t.raw == "" && !t.given {
		return none
	}
	v, err := parse(t.raw)
	if err != nil {
		b.report(t.at, t.hide(err))
		return none
	}
	return v
}

// hide keeps what came out of our environment from being shown.
func (t Text) hide(err error) error {
	if t.variable == "" {
		return err
	}
	return wrong("what the variable "+t.variable+" puts in here is not right", "the kind of each value stands in docs/config.md; what variables hold is not shown")
}

// program reads the settings of the program, each of which stands in one file.
func (b *builder) program(files []File) {
	setting := func(pick func(f *File) Text) Text {
		var chosen Text
		for i := range files {
			t := pick(&files[i])
			switch {
			case t.given && chosen.given:
				b.report(t.at, wrong("this is set in two files", "the other place is "+chosen.at.String()))
			case t.given || !chosen.given && chosen.at.source == nil:
				chosen = t
			}
		}
		return chosen
	}
	b.config.State = value(b, b.from("state", setting(func(f *File) Text { return Text(f.StateDir) })), parseDir)
	b.config.LogFormat = value(b, b.from("log_format", setting(func(f *File) Text { return Text(f.LogFormat) })), parseLogFormat)
	b.config.LogLevel = value(b, b.from("log_level", setting(func(f *File) Text { return Text(f.LogLevel) })), parseLogLevel)
	b.config.Drain = value(b, b.from("drain", setting(func(f *File) Text { return Text(f.DrainTimeout) })), drainSpan.parse)
	b.config.OnExit = value(b, b.from("on_exit", setting(func(f *File) Text { return Text(f.OnExit) })), parseOnExit)
	b.config.Trace = value(b, b.from("trace", setting(func(f *File) Text { return Text(f.Trace) })), parseFile)
}

// listener adds the routes of one listener.
func (b *builder) listener(l ListenerEntry) {
	place := fmt.Sprintf("routes[%d]", len(b.config.Routes))
	b.from(place+".target", Text(l.Target))
	var t Target
	var to ports
	choices := b.choices(l)
	switch {
	case l.Target.given || l.Target.bad:
		t, to, _ = b.lead(l.Target, l.Backend)
	case l.Backend.given && len(l.Routes) > 0:
		b.report(Text(l.Backend).at, wrong("there is a backend and no target", "write target, too"))
	}
	r := Route{
		To: To{Target: t.Name}, Choices: choices, Gate: b.gate(place+".gate", l),
		ProxyFrom: b.networks(place+".proxy_from", l.ProxyProtocolFrom),
		SendProxy: value(b, Text(l.SendProxyProtocol), parseSendProxy), Transparent: b.yes(l.Transparent),
	}
	b.from(place+".transparent", Text(l.Transparent))
	mode := value(b, Text(l.Mode), parseMode)
	for j, row := range b.listens(l) { // what is wrong with them is told whatever the target is
		switch at := l.Listen[j].at; {
		case row.socket != "":
			r.Socket, r.Listen = UnixListen{row.socket, mode}, netip.AddrPort{}
			b.routes(r, to, listening{row, at})
		case row.ip.IsValid():
			r.Socket = UnixListen{}
			b.routes(r, to, listening{row, at})
		}
	}
	if l.Mode.given && !slices.ContainsFunc(l.Listen, func(t Text) bool { return strings.HasPrefix(t.raw, "unix:") }) {
		b.report(Text(l.Mode).at, wrong("only unix sockets have a mode", "leave the key out"))
	}
}

// parseSendProxy reads the version of a PROXY header.
func parseSendProxy(raw string) (string, error) {
	word, err := parseWord(raw, "none", "v1", "v2")
	if word == "none" {
		return "", err
	}
	return word, err
}

// listens reads the addresses of a listener; one that is wrong stands in the result without ports.
func (b *builder) listens(l ListenerEntry) []row {
	rows := make([]row, len(l.Listen))
	for i, t := range l.Listen {
		rows[i] = value(b, t, parseListen)
	}
	return rows
}

// listening is a row of ports to listen on, and where it is written.
type listening struct {
	row
	at mark
}

// routes adds those from a row of listeners to a row of ports, one to one. Those that lead by what clients say have no ports
// of their own.
func (b *builder) routes(r Route, to ports, l listening) {
	row, at := l.row, l.at
	switch {
	case r.Target == "" && len(r.Choices) == 0, r.Target != "" && to.first == 0 && to.socket == "":
		return // told already
	case r.Target != "" && row.last-row.first != to.last-to.first:
		b.report(at, wrong(fmt.Sprintf("%s on which to listen, for %s of the target", count(row.first, row.last), count(to.first, to.last)),
			"both rows need the same length, for they are led one to one"))
		return
	case len(b.config.Routes)+int(row.last-row.first) >= mostRoutes:
		b.report(at, wrong("with this there are too many ports to listen on", fmt.Sprintf("one rouse listens on at most %d", mostRoutes)))
		return
	}
	for i := range int(row.last-row.first) + 1 {
		if row.socket == "" {
			r.Listen = netip.AddrPortFrom(row.ip, row.first+uint16(i))
		}
		if r.Target != "" {
			r.To = b.to(r.Target, to, i)
		}
		b.places[fmt.Sprintf("routes[%d]", len(b.config.Routes))] = at
		b.config.Routes = append(b.config.Routes, r)
		b.heard = append(b.heard, listened{at})
	}
}

// to is the i-th of some ports of a target. The backend's own is written as 0: wherever that is, a hook may say another.
func (b *builder) to(target string, to ports, i int) To {
	lead := To{Target: target, Port: to.first + uint16(i), Path: to.socket}
	if own := b.config.target(target).Backend; lead.Port == own.Port && lead.Path == own.Socket {
		lead.Port, lead.Path = 0, ""
	}
	return lead
}

// count says how many ports a row has.
func count(first, last uint16) string {
	if n := int(last) - int(first) + 1; n > 1 {
		return fmt.Sprintf("%d ports", n)
	}
	return "1 port"
}

func (b *builder) unknownTarget(name string) error {
	var names []string
	for _, t := range b.config.Targets {
		names = append(names, t.Name)
	}
	names = usable(names)
	text := "there is no target " + show(name)
	if len(b.wrong) >= mostListed {
		return wrong(text, "") // to look for the nearest of a thousand names, thousands of times, takes minutes
	}
	if near := Nearest(name, names); near != "" {
		return wrong(text, "did you mean "+near+"?")
	}
	if len(names) == 0 {
		return wrong(text, "write it below targets:")
	}
	return wrong(text, "the targets are "+enumerate(names))
}

// relations checks what holds for the whole, and drops what is said already of the same place.
func (b *builder) relations() {
	b.headers()
	problems, _ := errors.AsType[Problems](b.config.Validate())
	clean := len(b.wrong) == 0
	for _, p := range problems {
		at, _ := nearestPath(b.places, p.Where)
		together := strings.HasSuffix(p.Where, ".listen") || strings.HasSuffix(p.Where, ".settle") || strings.HasSuffix(p.Where, ".transparent")
		if clean || together && !b.told(at) { // what is wrong with a value by itself has been found when it was read
			b.report(at, wrong(p.Text, p.Hint))
		}
	}
}

// told says whether something is wrong with a place already.
func (b *builder) told(at mark) bool {
	return slices.ContainsFunc(b.wrong, func(f finding) bool { return f.at == at })
}
