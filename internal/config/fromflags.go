package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// FromFlags returns the Config that the flags describe. The error is [Problems] with
// everything that is wrong.
func FromFlags(f Flags) (*Config, error) {
	r := newReader(&f)
	t := Target{
		Backend: Backend{Host: read(r, "target-ip", parseHost), Port: read(r, "target-port", parsePort)},
		Probe:   read(r, "probe", parseProbe),
		Hooks: Hooks{
			Start:  read(r, "hook-start-svc", parseProgram),
			Stop:   read(r, "hook-stop-svc", parseProgram),
			Status: read(r, "hook-status", parseProgram),
			Env:    r.env(f.HookEnv),
		},
		Cooldown:     read(r, "cooldown-period", cooldownSpan.parse),
		StartTimeout: read(r, "start-timeout", startSpan.parse),
		StopTimeout:  read(r, "stop-timeout", stopSpan.parse),
		Recheck:      read(r, "recheck-period", recheckSpan.parse),
		ReleaseRate:  read(r, "release-rate", parseRate),
		Budget:       Budget{StartsPerHour: read(r, "starts-per-hour", parseStarts), StartsPerDay: read(r, "starts-per-day", parseStarts)},
	}
	t.Probe.Settle = read(r, "settle", settleSpan.parse)
	if t.Probe.Kind != ProbeTCP && r.flags["settle"].flags.given["settle"] == 0 {
		t.Probe.Settle = 0
	}
	t.Name = r.name(t.Backend)
	listen := netip.AddrPortFrom(read(r, "proxy-ip", parseListenIP), read(r, "proxy-port", parseListenPort))
	g := Gate{
		Observe:     read(r, "gate", parseGate),
		ConnectFrom: r.sources("connect-from", f.ConnectFrom), WakeFrom: r.sources("wake-from", f.WakeFrom),
		MinHold: read(r, "min-hold", holdSpan.parse), FirstBytes: read(r, "first-bytes-within", holdSpan.parse),
		WakeOn: r.shapes("wake-on", f.WakeOn), SourceRate: read(r, "source-rate", parseLimit),
	}
	c := &Config{
		Targets:   []Target{t},
		Routes:    []Route{{Listen: listen, To: To{Target: t.Name}, Gate: g}},
		State:     read(r, "state-dir", parseDir),
		LogFormat: read(r, "log-format", parseLogFormat),
		LogLevel:  read(r, "log-level", parseLogLevel),
		Drain:     read(r, "drain-timeout", drainSpan.parse),
		OnExit:    read(r, "on-exit", parseOnExit),
		Trace:     read(r, "trace", parseFile),
		Admin:     Admin{Listen: read(r, "admin-listen", parseAdmin)},
	}
	r.relations(t, listen)
	if err := r.all().orNil(); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil { // a rule that is missing here
		return nil, err
	}
	return c, nil
}

// A reader reads flags one by one and collects what is wrong.
type reader struct {
	order    []Definition
	flags    map[string]Definition
	problems map[string]Problems // by name of the flag
}

func newReader(f *Flags) *reader {
	r := &reader{order: f.Definitions(), flags: map[string]Definition{}, problems: map[string]Problems{}}
	for _, d := range r.order {
		r.flags[d.Name] = d
	}
	return r
}

// add records what is wrong with a flag.
func (r *reader) add(flag string, err error) {
	problems := r.problems[flag]
	problems.add("--"+flag, err)
	r.problems[flag] = problems
}

// all returns what is wrong, in the order of the flags.
func (r *reader) all() Problems {
	var all Problems
	for _, d := range r.order {
		all = append(all, r.problems[d.Name]...)
	}
	return all
}

// ok reports whether nothing is wrong with the flags.
func (r *reader) ok(flags ...string) bool {
	for _, flag := range flags {
		if len(r.problems[flag]) > 0 {
			return false
		}
	}
	return true
}

// read returns the value of a flag, or the zero value when the flag has none or a bad
// one. Each flag is read once.
func read[T any](r *reader, flag string, parse func(string) (T, error)) T {
	d := r.flags[flag]
	raw := d.String()
	if n := d.flags.given[flag]; n > 1 {
		r.add(flag, wrong(fmt.Sprintf("given %d times", n), "write it once"))
	}
	var none T
	if raw == "" && d.flags.given[flag] == 0 && !d.Required {
		return none
	}
	if err := d.checkText(raw); err != nil {
		r.add(flag, err)
		return none
	}
	value, err := parse(raw)
	if err != nil {
		r.add(flag, err)
		return none
	}
	return value
}

// checkText refuses what goes wrong between a person, a shell and a service file,
// whatever the flag means.
func (d Definition) checkText(raw string) error {
	trimmed := strings.TrimSpace(raw)
	shown := show(raw)
	if first, rest, found := strings.Cut(trimmed, " "); found && rest != "" && d.mayBeCommand() {
		shown = show(first + " …") // the rest may hold a password
	}
	switch {
	case trimmed == "" && d.Required:
		return wrong("missing", d.missing)
	case trimmed == "" && d.Default == "":
		return wrong("it has no value", "write one, or leave the flag out")
	case trimmed == "":
		return wrong("it has no value", "write one, or leave the flag out for "+d.Default)
	case strings.HasPrefix(raw, "--"):
		return wrong("it has no value, for "+show(before(raw, "="))+" looks like the next flag",
			"write --"+d.Name+"="+d.Placeholder)
	case strings.HasPrefix(raw, "="):
		return wrong(shown+" begins with =", "write --"+d.Name+"="+d.Placeholder+", with one = and no space")
	case quoted(trimmed):
		return wrong(shown+" has quotes in it, which are taken literally", instead(strings.Trim(trimmed, quotes)))
	case strings.HasPrefix(raw, "$"):
		return wrong(shown+" begins with a variable that no shell replaced", "write its value")
	case trimmed != raw && !(strings.HasPrefix(raw, "banner:") && d.Name == "probe"):
		return wrong(shown+" has white space around it", instead(trimmed))
	default:
		return nil
	}
}

// mayBeCommand reports whether people write commands with arguments in the flag.
func (d Definition) mayBeCommand() bool { return d.Placeholder == "PATH" || d.Name == "probe" }

// instead says to write value, when that can be shown.
func instead(value string) string {
	if strings.Contains(value, " ") || strconv.Quote(value) != `"`+value+`"` || show(value) != strconv.Quote(value) {
		return "write it without"
	}
	return "write " + value
}

// before returns the part of s before the first sep.
func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

// quotes are the signs that people, editors and service files put around a value.
const quotes = "\"'`“”‘’"

// quoted reports whether s stands in quotes.
func quoted(s string) bool {
	inner := strings.TrimRight(strings.TrimLeft(s, quotes), quotes)
	return strings.TrimLeft(s, quotes) != s && strings.TrimRight(s, quotes) != s && inner != ""
}

// env reads the variables for hooks.
func (r *reader) env(raw []string) []Variable {
	env, problems := parseEnvs(raw)
	for i := range problems {
		problems[i].Where = "--hook-env"
	}
	r.problems["hook-env"] = problems
	return env
}

// sources reads who belongs to a list.
func (r *reader) sources(flag string, raw []string) Sources {
	var s Sources
	for _, text := range raw {
		if err := r.flags[flag].checkText(text); err != nil {
			r.add(flag, err)
			continue
		}
		one, err := parseSource(text)
		if err != nil {
			r.add(flag, err)
		}
		s.Any = s.Any || one.Any
		s.Prefixes = append(s.Prefixes, one.Prefixes...)
		s.Files = append(s.Files, one.Files...)
	}
	if s.Any && len(raw) > 1 {
		r.add(flag, wrong("any stands beside networks", "write any alone, or the networks without it"))
	}
	return s
}

// shapes reads what a client must say.
func (r *reader) shapes(flag string, raw []string) []Shape {
	var all []Shape
	for _, text := range raw {
		kind, err := text, r.flags[flag].checkText(text)
		if err == nil {
			kind, err = parseWord(text, kinds...)
		}
		if err != nil {
			r.add(flag, err)
		}
		all = append(all, Shape{Kind: kind})
	}
	return all
}

// parseGate says whether a gate only observes.
func parseGate(raw string) (observe bool, err error) {
	word, err := parseWord(raw, "enforce", "observe")
	return word == "observe", err
}

// name reads the name of the target. Without one it is the address.
func (r *reader) name(b Backend) string {
	if r.flags["target-name"].String() != "" || r.flags["target-name"].flags.given["target-name"] > 0 {
		return read(r, "target-name", parseName)
	}
	if !r.ok("target-ip", "target-port") {
		return ""
	}
	name, err := parseName(b.Address())
	if err != nil {
		r.add("target-name", wrong("it is missing, and the address of the target is too long for a name",
			"write a short one, such as --target-name=web"))
	}
	return name
}

// relations reports values that are right by themselves but not together.
func (r *reader) relations(t Target, listen netip.AddrPort) {
	if r.ok("target-ip", "target-port", "proxy-ip", "proxy-port") {
		r.add("proxy-port", checkLoop(listen, t.Backend))
	}
	if r.ok("settle", "start-timeout") {
		r.add("settle", checkSettle(t))
	}
}

// checkSettle refuses a target that could never become ready in time.
func checkSettle(t Target) error {
	if t.Probe.Settle < t.StartTimeout {
		return nil
	}
	return wrong(formatDuration(t.Probe.Settle)+" is not shorter than the start timeout, "+
		formatDuration(t.StartTimeout)+", so the target would never be ready in time", "write a shorter one, such as 50ms")
}
