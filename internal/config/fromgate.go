package config

import (
	"fmt"
	"io/fs"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/schedule"
)

// kinds are the protocols that are known by what a client says first.
var kinds = []string{"tls", "http", "ssh", "postgres", "minecraft", "rdp", "mqtt", "redis"}

// gate reads who may connect on a listener and who may wake its target.
func (b *builder) gate(path string, l ListenerEntry) Gate {
	g := Gate{
		Observe:     value(b, Text(l.Gate), parseGate),
		ConnectFrom: b.networks(path+".connect_from", l.ConnectFrom),
		WakeFrom:    b.networks(path+".wake_from", l.WakeFrom),
		MinHold:     value(b, b.from(path+".min_hold", Text(l.MinHold)), holdSpan.parse),
		FirstBytes:  value(b, b.from(path+".first_bytes", Text(l.FirstBytesWithin)), holdSpan.parse),
		SourceRate:  value(b, b.from(path+".source_rate", Text(l.SourceRate)), parseLimit),
		RouteRate:   value(b, b.from(path+".route_rate", Text(l.Rate)), parseLimit),
	}
	for _, s := range l.WakeOn {
		g.WakeOn = append(g.WakeOn, b.shape(said{s.TLS, s.HTTP, s.Minecraft, s.Postgres, s.Regexp, s.short}, s.Status))
	}
	if len(l.Health.From) > 0 {
		g.Health.From = b.networks(path+".health.from", l.Health.From)
		g.Health.Answer = value(b, Text(l.Health.Answer), func(s string) (HealthAnswer, error) {
			return parseWord(s, HealthClosed, HealthAccept, HealthHTTP)
		})
	} else if Text(l.Health.Answer).given {
		b.report(Text(l.Health.Answer).at, wrong("nobody gets this answer", "write from: and the networks of health checkers"))
	}
	return g
}

// networks reads who belongs to a list.
func (b *builder) networks(path string, all Networks) Sources {
	var s Sources
	for i, t := range all {
		if i == 0 {
			b.places[path] = t.at
		}
		one := value(b, t, parseSource)
		s.Any = s.Any || one.Any
		s.Prefixes = append(s.Prefixes, one.Prefixes...)
		s.Files = append(s.Files, one.Files...)
	}
	if s.Any && len(all) > 1 {
		b.report(all[0].at, wrong("any stands beside networks", "write any alone, or the networks without it"))
	}
	return s
}

// parseSource reads any, a network, an address or the name of a file with a list.
func parseSource(raw string) (Sources, error) {
	const hint = "write a network such as 192.168.0.0/16, an address, file:/path, or any"
	if strings.EqualFold(raw, "any") {
		return Sources{Any: true}, nil
	}
	if name, isFile := strings.CutPrefix(raw, "file:"); isFile {
		name, err := parseFile(name)
		return Sources{Files: []string{name}}, err
	}
	p, err := netip.ParsePrefix(raw)
	if ip, ipErr := netip.ParseAddr(unbracket(raw)); ipErr == nil {
		if ip.Zone() != "" {
			return Sources{}, wrong(show(raw)+" has a zone, which clients do not tell", "write "+ip.WithZone("").String())
		}
		ip = ip.Unmap()
		p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	switch {
	case err != nil && (strings.EqualFold(raw, "all") || raw == "*"):
		return Sources{}, wrong(show(raw)+" is not a network", "write any")
	case err != nil && (strings.EqualFold(raw, "none") || strings.EqualFold(raw, "nobody")):
		return Sources{}, wrong(show(raw)+" is not a network", "there is no list of nobody: stop the listener, or write a network of your own")
	case err != nil && strings.HasPrefix(raw, "/"):
		return Sources{}, wrong(show(raw)+" is not a network", "write file: in front of it if it is a file with a list")
	case err != nil:
		return Sources{}, wrong(show(raw)+" is not a network", hint)
	case p != p.Masked():
		return Sources{}, wrong(show(raw)+" has bits behind its length", "write "+p.Masked().String())
	case p.Addr().Is4In6() && p.Bits() < 96:
		return Sources{}, wrong(show(raw)+" is a network of mapped addresses", "write one of IPv4")
	case p.Addr().Is4In6():
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return Sources{Prefixes: []netip.Prefix{p}}, nil
}

// mostLimit bounds the count of a limit.
const mostLimit = 1_000_000

// parseLimit reads so many in a time: 20/1m.
func parseLimit(raw string) (Rate, error) {
	const hint = "write how many in which time, such as 20/1m"
	number, within, found := strings.Cut(raw, "/")
	n, err := strconv.Atoi(number)
	switch {
	case !found || !isDigits(number):
		return Rate{}, wrong(show(raw)+" is not a limit", hint)
	case err != nil || n > mostLimit:
		return Rate{}, wrong(show(raw)+fmt.Sprintf(" is more than %d", mostLimit), hint)
	case n == 0:
		return Rate{}, wrong(show(raw)+" lets nobody pass", hint)
	}
	if unit, ok := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[within]; ok {
		return Rate{n, unit}, nil
	}
	d, err := limitSpan.parse(within)
	return Rate{n, d}, err
}

// said are the keys by which a client is known.
type said struct {
	tls       Names
	http      HTTPEntry
	minecraft Names
	postgres  PostgresEntry
	regexp    Plain
	short     Text
}

// shape reads what a client has to say. One of the keys says of which protocol it is.
func (b *builder) shape(s said, status Word) Shape {
	if s.short.given {
		return Shape{Kind: value(b, s.short, func(raw string) (string, error) { return parseWord(raw, kinds...) }), Status: b.status(status)}
	}
	if status.given && len(s.minecraft) == 0 {
		b.report(status.at, wrong("only Minecraft has a status ping", "leave the key out"))
	}
	var all []Shape
	var at mark
	add := func(where mark, one Shape) { all, at = append(all, one), where }
	if len(s.tls) > 0 {
		add(s.tls[0].at, Shape{Kind: "tls", Names: b.hosts(s.tls)})
	}
	if h := s.http; h.at.source != nil {
		add(h.at, Shape{Kind: "http", Names: b.hosts(h.Host), Paths: b.words(h.Path, checkPathRule), Methods: b.words(h.Method, checkMethod), UserAgents: b.words(h.UserAgent, checkWord)})
	}
	if len(s.minecraft) > 0 {
		add(s.minecraft[0].at, Shape{Kind: "minecraft", Names: b.hosts(s.minecraft), Status: b.status(status)})
	}
	if p := s.postgres; p.at.source != nil {
		add(p.at, Shape{Kind: "postgres", Databases: b.words(p.Database, checkWord), Users: b.words(p.User, checkWord)})
	}
	if s.regexp.given {
		add(s.regexp.at, Shape{Regexp: value(b, Text(s.regexp), parseRegexp)})
	}
	switch {
	case len(all) == 0:
		b.report(Text(status).at, wrong("nothing here says what the client says", "write one of tls, http, minecraft, postgres and regexp"))
		return Shape{}
	case len(all) > 1:
		b.report(at, wrong("one entry has several protocols", "write an entry for each"))
	}
	return all[0]
}

// status reads whether a status ping will do.
func (b *builder) status(status Word) bool {
	return value(b, Text(status), func(raw string) (string, error) { return parseWord(raw, "no", "yes") }) == "yes"
}

// hosts reads names of hosts, which may begin with *. for all below one.
func (b *builder) hosts(all Names) []string {
	var names []string
	for _, t := range all {
		names = append(names, value(b, t, parseHostRule))
	}
	return names
}

func parseHostRule(raw string) (string, error) {
	bare, not := strings.CutPrefix(raw, "!")
	name := strings.TrimSuffix(strings.ToLower(bare), ".")
	switch rest, wild := strings.CutPrefix(name, "*."); {
	case name == "any":
		return "", wrong(show(raw)+" is not a host", `write "*"`)
	case name == "*" && !not:
		return name, nil
	case strings.Contains(rest, "*"):
		return "", wrong(show(raw)+" has a * that is not its first part", `write it as in "*.example.org"`)
	case wild:
		if err := checkHostName(rest); err != nil {
			return "", err
		}
	default:
		if _, err := netip.ParseAddr(name); err != nil {
			if err := checkHostName(name); err != nil {
				return "", err
			}
		}
	}
	if not {
		name = "!" + name
	}
	return name, nil
}

// words reads texts of a kind. One that begins with ! excludes.
func (b *builder) words(all Names, check func(string) error) []string {
	var words []string
	for _, t := range all {
		words = append(words, value(b, t, func(raw string) (string, error) { return raw, check(strings.TrimPrefix(raw, "!")) }))
	}
	return words
}

func checkWord(s string) error {
	switch {
	case s == "":
		return wrong("it is empty", "write what the client says, or leave it out")
	case len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }):
		return wrong(show(s)+" is not what a client can say here", "write at most 255 letters of ASCII")
	}
	return nil
}

func checkPathRule(s string) error {
	if !strings.HasPrefix(s, "/") {
		return wrong(showPath(s)+" has no / in front", "write the beginning of a path, such as /app")
	}
	if strings.ContainsAny(s, "?#") {
		return wrong(showPath(s)+" has more than a path in it", "write it without what begins with ? or #")
	}
	return checkWord(s)
}

func checkMethod(s string) error {
	if s == "" || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || len(s) > 24 {
		return wrong(show(s)+" is not a method", "write it in capitals, such as GET")
	}
	return nil
}

// mostRegexp bounds what one match may cost.
const mostRegexp = 1000

func parseRegexp(raw string) (string, error) {
	if len(raw) > mostRegexp {
		return "", wrong(fmt.Sprintf("the expression has more than %d letters", mostRegexp), "write a shorter one")
	}
	if raw == "" {
		return "", wrong("it is empty, and would fit everybody", "write an expression, or leave the key out")
	}
	if _, err := regexp.Compile(raw); err != nil {
		return "", wrong("this is not a regular expression: "+plainSyntax(strings.TrimPrefix(err.Error(), "error parsing regexp: ")), "the syntax is RE2's")
	}
	return raw, nil
}

// choices reads the routes by what clients say.
func (b *builder) choices(l ListenerEntry) []Choice {
	var all []Choice
	for _, e := range l.Routes {
		c := Choice{Shape: b.shape(said{e.TLS, e.HTTP, e.Minecraft, e.Postgres, e.Regexp, Text{}}, Word{at: Text(e.Target).at, raw: "yes"})}
		c.Shape.Status = c.Shape.Kind == "minecraft" // a route leads whoever pings, too
		t, to, ok := b.lead(e.Target, e.Backend)
		if ok && to.last != to.first {
			b.report(Text(e.Target).at, wrong("the backend of a route is a row of ports", "name a backend with one port"))
		}
		if t.Name != "" {
			c.To = b.to(t.Name, to, 0)
		}
		all = append(all, c)
	}
	return all
}

// lead finds the target and the ports of a name.
func (b *builder) lead(target, backend Plain) (t Target, to ports, ok bool) {
	name := value(b, Text(target), func(s string) (string, error) { return s, nil })
	for i := range b.config.Targets {
		if b.config.Targets[i].Name != name {
			continue
		}
		to, err := b.made[i].pick(backend)
		if err != nil {
			at := backend.at
			if !backend.given {
				at = target.at
			}
			b.report(at, Text(backend).hide(err))
			return b.config.Targets[i], ports{}, false
		}
		return b.config.Targets[i], to, to.first != 0 || to.socket != ""
	}
	if target.given && !target.bad {
		b.report(target.at, Text(target).hide(b.unknownTarget(name)))
	}
	return Target{}, ports{}, false
}

// parseMode reads the permissions of a socket.
func parseMode(raw string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(raw, 8, 32)
	if err != nil || n > 0o777 || len(raw) < 3 {
		return 0, wrong(show(raw)+" is not a mode", `write the permissions in octal, such as "0660"`)
	}
	return fs.FileMode(n), nil
}

// windows reads times that come again and again.
func (b *builder) windows(path string, all []WindowEntry) []Window {
	var windows []Window
	for i, e := range all {
		w := Window{
			Cron: value(b, b.from(fmt.Sprintf("%s[%d].cron", path, i), Text(e.Cron)), parseCron),
			For:  value(b, Text(e.For), windowSpan.parse),
			Zone: value(b, Text(e.TimeZone), parseZone),
		}
		windows = append(windows, w)
	}
	return windows
}

func parseCron(raw string) (string, error) {
	if err := schedule.Check(raw); err != nil {
		return "", wrong(show(raw)+" does not say when: "+plainSyntax(err.Error()), `write five fields, such as "0 8 * * MON-FRI"`)
	}
	return raw, nil
}

func parseZone(raw string) (*time.Location, error) {
	zone, err := time.LoadLocation(raw)
	if err != nil || raw == "" || raw == "Local" {
		return nil, wrong(show(raw)+" is not a time zone that this machine knows", "write one such as Europe/Berlin, or leave the key out for the machine's own")
	}
	return zone, nil
}

// plainNames reads a list of names.
func (b *builder) plainNames(path string, all Names) []string {
	var names []string
	for i, t := range all {
		b.places[fmt.Sprintf("%s[%d]", path, i)] = t.at
		names = append(names, value(b, t, func(s string) (string, error) { _, err := parseName(s); return s, err }))
	}
	return names
}
