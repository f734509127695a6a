package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SchemaURL is where editors find the schema of the config file.
const SchemaURL = "https://raw.githubusercontent.com/rouse-proxy/rouse/main/docs/rouse.schema.json"

// YAML returns a config file, with comments, that says what c says. It is for what flags can say: each target with one port
// or with a row of them.
func (c *Config) YAML() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.stated()
	w := &writer{}
	w.line(0, "# yaml-language-server: $schema="+SchemaURL)
	w.line(0, "# docs/config.md of rouse has every key. Check this file with: rouse check --config=FILE")
	w.line(0, "")
	w.program(c)
	w.line(0, "")
	w.line(0, "targets:")
	for _, t := range c.Targets {
		w.target(t)
	}
	w.line(0, "")
	w.line(0, "# Where clients connect, and which target each listener leads to.")
	w.line(0, "listeners:")
	for _, r := range c.Routes {
		if r.Port != 0 {
			return nil, errors.New("writing the config: a route leads to a port beside that of its target")
		}
		w.line(1, "- listen: "+scalar(r.Listen.String()))
		w.line(1, "  target: "+scalar(r.Target))
		w.gate(r.Gate)
	}
	return w.out.Bytes(), c.checkWritten(w.out.Bytes())
}

// stated returns the same, with everybody named who may wake a target on a public address: a file has to say so.
func (c *Config) stated() *Config {
	clear := *c
	clear.Routes = slices.Clone(c.Routes)
	for i := range clear.Routes {
		one := Config{Routes: clear.Routes[i : i+1]}
		if len(one.Unstated()) > 0 {
			clear.Routes[i].Gate.WakeFrom.Any = true
		}
	}
	return &clear
}

// gate writes who may connect and who may wake.
func (w *writer) gate(g Gate) {
	w.about("Who may connect.").sources("connect-from", g.ConnectFrom)
	w.about("Who may wake the target: any, or better the networks of those who may, or file:/path with a list of them.").sources("wake-from", g.WakeFrom)
	if g.Observe {
		w.about("Only tells who would have been refused.").key(2, "gate", "observe")
	}
	if g.MinHold > 0 {
		w.about("How long a client must stay before it wakes the target.").key(2, "min-hold", formatDuration(g.MinHold))
	}
	if g.FirstBytes > 0 {
		w.about("Within which time a client must say something to wake the target.").key(2, "first-bytes-within", formatDuration(g.FirstBytes))
	}
	if len(g.WakeOn) > 0 {
		var words []string
		for _, s := range g.WakeOn {
			words = append(words, s.Kind)
		}
		w.about("What it must say.").key(2, "wake-on", "["+strings.Join(words, ", ")+"]")
	}
	if g.SourceRate.Count > 0 {
		w.about("How many connections one source may make.").key(2, "source-rate", strconv.Itoa(g.SourceRate.Count)+"/"+formatDuration(g.SourceRate.Within))
	}
}

// sources writes a list of networks, if one is stated.
func (w *writer) sources(key string, s Sources) {
	var all []string
	if s.Any {
		all = append(all, "any")
	}
	for _, p := range s.Prefixes {
		all = append(all, scalar(p.String()))
	}
	for _, f := range s.Files {
		all = append(all, scalar("file:"+f))
	}
	switch len(all) {
	case 0:
		w.comment = ""
	case 1:
		w.key(2, key, all[0])
	default:
		w.key(2, key, "["+strings.Join(all, ", ")+"]")
	}
}

// budget writes what may be spent.
func (w *writer) budget(b Budget) {
	if b.StartsPerHour+b.StartsPerDay == 0 {
		return
	}
	w.line(2, "# How often it may be started, in any hour and in any 24 hours.")
	w.line(2, "budget:")
	if b.StartsPerHour > 0 {
		w.key(3, "starts-per-hour", strconv.Itoa(b.StartsPerHour))
	}
	if b.StartsPerDay > 0 {
		w.key(3, "starts-per-day", strconv.Itoa(b.StartsPerDay))
	}
}

// checkWritten reads what was written. What differs cannot be said in a file, such as bytes that are no text.
func (c *Config) checkWritten(text []byte) error {
	loaded, err := FromFiles([]Source{{Name: "the config", Data: text}}, World{Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		return fmt.Errorf("writing the config: this cannot be said in a file: %w", errors.New(err.Error()))
	}
	if !reflect.DeepEqual(loaded.Config, c) {
		return errors.New("writing the config: it has a value that no file can hold, such as bytes that are no text")
	}
	return nil
}

// A writer writes lines of YAML.
type writer struct {
	out     bytes.Buffer
	comment string // of the next key
}

// line writes one, indented by so many steps.
func (w *writer) line(steps int, text string) {
	fmt.Fprintln(&w.out, strings.TrimRight(strings.Repeat("  ", steps)+text, " "))
}

// key writes a key with its value, below what was said about it.
func (w *writer) key(steps int, key, value string) {
	if w.comment != "" {
		w.line(steps, "# "+w.comment)
		w.comment = ""
	}
	w.line(steps, key+": "+value)
}

// about says something about the next key.
func (w *writer) about(comment string) *writer {
	w.comment = comment
	return w
}

func (w *writer) program(c *Config) {
	if c.State != "" {
		w.about("Directory for what must survive a crash.").key(0, "state-dir", scalar(c.State))
	} else {
		w.line(0, "# Directory for what must survive a crash, if not the usual one:")
		w.line(0, "# state-dir: /var/lib/rouse")
	}
	w.about("auto, text or json.").key(0, "log-format", string(c.LogFormat))
	w.about("debug, info, warn or error.").key(0, "log-level", strings.ToLower(c.LogLevel.String()))
	w.about("How long live connections may last once rouse is told to end.").key(0, "drain-timeout", formatDuration(c.Drain))
	w.about("keep leaves running targets for the next rouse; stop stops them.").key(0, "on-exit", string(c.OnExit))
	if c.Trace != "" {
		w.about("File to which everything that happens is appended.").key(0, "trace", scalar(c.Trace))
	}
	if c.Admin.Listen.IsValid() {
		w.about("Where the dashboard and the API are.").key(0, "admin", "{listen: "+scalar(c.Admin.Listen.String())+"}")
	}
}

func (w *writer) target(t Target) {
	w.line(1, scalar(t.Name)+":")
	w.about("Address of the target.").key(2, "backend", scalar(t.Backend.Address()))
	w.line(2, "# Programs that start and stop it: a path, or a list of a path and arguments.")
	w.line(2, "hooks:")
	w.key(3, "start", command(t.Hooks.Start))
	w.key(3, "stop", command(t.Hooks.Stop))
	if len(t.Hooks.Status) > 0 {
		w.key(3, "status", command(t.Hooks.Status))
	}
	w.environment(t.Hooks.Env)
	w.probe(t.Probe)
	w.about("Stop it after this long without a client.").key(2, "cooldown", formatDuration(t.Cooldown))
	w.about("How long it may take to become ready, and to stop.").key(2, "start-timeout", formatDuration(t.StartTimeout))
	w.key(2, "stop-timeout", formatDuration(t.StopTimeout))
	w.about("How often to ask whether somebody else has started it; 0 never asks.").key(2, "recheck", formatDuration(t.Recheck))
	w.about("Clients a second that are let through once it is ready; 0 is no limit.").key(2, "release-rate", formatRate(t.ReleaseRate))
	w.budget(t.Budget)
}

func (w *writer) environment(env []Variable) {
	if len(env) == 0 {
		return
	}
	w.line(3, "# Variables that hooks get; one without a value is passed on from the environment of rouse.")
	w.line(3, "env:")
	for _, v := range env {
		if v.Inherit {
			w.line(4, scalar(v.Name)+":")
			continue
		}
		w.key(4, scalar(v.Name), scalar(v.Value.Reveal()))
	}
}

func (w *writer) probe(p Probe) {
	w.line(2, "# How it shows that it is ready.")
	w.line(2, "probe:")
	w.key(3, "kind", string(p.Kind))
	switch {
	case p.asksHTTP():
		w.key(3, "path", scalar(p.Path))
	case p.ServerName != "":
		w.key(3, "server-name", scalar(p.ServerName))
	case p.Expect != "":
		w.key(3, "expect", scalar(p.Expect))
	case len(p.Command) > 0:
		w.key(3, "command", command(p.Command))
	}
	if p.Kind == ProbeTCP || p.Settle > 0 {
		w.key(3, "settle", formatDuration(p.Settle))
	}
}

// command writes a path, or a list of a path and arguments.
func command(argv []string) string {
	if len(argv) == 1 {
		return scalar(argv[0])
	}
	quoted := make([]string, len(argv))
	for i, word := range argv {
		quoted[i] = scalar(word)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// scalar writes a value so that it is read as it is.
func scalar(s string) string {
	s = escape(s)
	if plainScalar(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + `"`
}

// plainScalar reports whether a value needs no quotes: letters, digits and a few signs, and no word that means something
// to YAML.
func plainScalar(s string) bool {
	switch strings.ToLower(s) {
	case "", "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return strings.Trim(s, letters+digits+"._/:-") == "" && strings.ContainsAny(s[:1], letters+digits+"./") && !strings.HasSuffix(s, ":")
}
