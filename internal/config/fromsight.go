package config

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sight reads what is kept, shown and told.
func (b *builder) sight(files []File) {
	var history HistoryEntry
	var admin AdminEntry
	var telemetry TelemetryEntry
	var first [3]mark
	for i := range files {
		f := &files[i]
		if at := cmp.Or(Text(f.History.Days).at, Text(f.History.Megabytes).at); f.History.given() {
			b.once(&first[0], at)
			history = f.History
		}
		if f.Admin.given() {
			b.once(&first[1], cmp.Or(Text(f.Admin.Listen).at, Text(f.Admin.TokenFile).at))
			admin = f.Admin
		}
		if e := f.OpenTelemetry; e.Endpoint.given || e.Header.given || e.Percent.given {
			b.once(&first[2], cmp.Or(Text(e.Endpoint).at, Text(e.Header).at))
			telemetry = e
		}
		for _, n := range f.Notify {
			b.notify(n)
		}
	}
	b.config.History = b.history(history)
	b.config.Admin = b.admin(admin)
	b.config.Telemetry = b.telemetry(telemetry)
}

func (h HistoryEntry) given() bool { return h.Days.given || h.Megabytes.given }

func (a AdminEntry) given() bool {
	return a.Listen.given || a.TokenFile.given || len(a.Hosts) > 0 || a.Metrics.given
}

// once reports what stands in two files.
func (b *builder) once(first *mark, at mark) {
	if first.source != nil {
		b.report(at, wrong("this is set in two files", "the other place is "+first.String()))
	}
	*first = at
}

func (b *builder) history(e HistoryEntry) History {
	if !e.given() {
		return History{}
	}
	days := value(b, b.from("history.keep", Text(e.Days)), countOf("days", 36500))
	megabytes := value(b, b.from("history.size", Text(e.Megabytes)), countOf("megabytes", 1<<20))
	h := History{Off: days == 0, Keep: time.Duration(days) * day, Size: int64(megabytes) << 20}
	if megabytes == 0 && e.Megabytes.given {
		b.report(Text(e.Megabytes).at, wrong("0 megabytes hold nothing", "write days: 0 to keep nothing in a file"))
	}
	return h
}

func (b *builder) admin(e AdminEntry) Admin {
	a := Admin{
		Listen:      value(b, b.from("admin.listen", Text(e.Listen)), parseAdmin),
		TokenFile:   value(b, b.from("admin.token_file", Text(e.TokenFile)), parseFile),
		OpenMetrics: value(b, b.from("admin.metrics", Text(e.Metrics)), wordOf("token", "open")) == "open",
	}
	for _, t := range e.Hosts {
		host := value(b, t, parseHostName)
		a.Hosts = append(a.Hosts, strings.ToLower(host))
	}
	if e.given() && !e.Listen.given {
		at := cmp.Or(Text(e.TokenFile).at, Text(e.Metrics).at)
		if len(e.Hosts) > 0 {
			at = e.Hosts[0].at
		}
		b.report(at, wrong("nothing says where to listen", "write listen: beside it, such as listen: 127.0.0.1:8099"))
	}
	return a
}

func (b *builder) telemetry(e TelemetryEntry) Telemetry {
	if !e.Endpoint.given {
		return Telemetry{}
	}
	return Telemetry{
		Endpoint: value(b, b.from("telemetry.endpoint", Text(e.Endpoint)), parseEndpoint),
		Header:   b.hidden("telemetry.header", "header", Text(e.Header)),
		Percent:  value(b, b.from("telemetry.percent", Text(e.Percent)), func(s string) (float64, error) { return parseQuantity(s, "a number of connections in a hundred", "10") }),
	}
}

func parseEndpoint(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", wrong(show(raw)+" is not the URL of a collector", "write one such as http://127.0.0.1:4318")
	}
	return raw, nil
}

// parseAdmin reads an address and a port.
func parseAdmin(raw string) (netip.AddrPort, error) {
	const hint = "write an IP address and a port, such as 127.0.0.1:8099"
	a, err := netip.ParseAddrPort(raw)
	if err != nil {
		return netip.AddrPort{}, wrong(show(raw)+" is not an address to listen on", hint)
	}
	if a.Addr().Zone() != "" {
		return netip.AddrPort{}, wrong(show(raw)+" has a zone", hint)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// parseHostName reads a name as it stands in a URL, without a port.
func parseHostName(raw string) (string, error) {
	if raw == "" || len(raw) > 253 || strings.Trim(strings.ToLower(raw), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return "", wrong(show(raw)+" is not a host name", "write one without a port, such as rouse.example.org")
	}
	return raw, nil
}

// wordOf reads one of some words.
func wordOf(words ...string) func(string) (string, error) {
	return func(raw string) (string, error) {
		if slices.Contains(words, raw) {
			return raw, nil
		}
		return "", wrong(show(raw)+" is not one of the words", "write "+strings.Join(words, " or "))
	}
}

// NotifyEvents are what people may be told of, the quiet ones first.
var NotifyEvents = []string{"failures", "recovered", "budget", "crash-loop", "never-stops", "wakes", "stops", "refusals"}

func (b *builder) notify(e NotifyEntry) {
	path := fmt.Sprintf("notify[%d]", len(b.config.Notify))
	n := Notify{
		Name: value(b, b.from(path+".name", Text(e.Name)), parseName),
		URL:  b.hidden(path+".url", "url", Text(e.URL)), Key: b.hidden(path+".key", "key", Text(e.Key)),
		Targets: b.plainNames(path+".targets", e.Targets),
	}
	if slices.ContainsFunc(b.config.Notify, func(o Notify) bool { return o.Name == n.Name }) && n.Name != "" {
		b.report(Text(e.Name).at, wrong("there is a notification "+show(n.Name)+" already", "give each a name of its own"))
	}
	if raw := n.URL.Reveal(); raw != "" {
		b.report(Text(e.URL).at, checkNotifyURL(raw))
	}
	for _, t := range e.Events {
		n.Events = append(n.Events, value(b, t, parseNotifyEvent))
	}
	b.config.Notify = append(b.config.Notify, n)
	b.notified = append(b.notified, e)
}

// checkNotifyURL looks at the beginning alone: the rest is a secret.
func checkNotifyURL(raw string) error {
	scheme, rest, _ := strings.Cut(raw, "://")
	known := []string{"https", "http", "ntfy", "ntfys", "gotify", "slack", "discord", "smtp", "smtps"}
	if !slices.Contains(known, scheme) || rest == "" {
		return wrong("the url begins with nothing that is known", "write one that begins with "+strings.Join(known, "://, ")+"://")
	}
	return nil
}

func parseNotifyEvent(raw string) (string, error) {
	if slices.Contains(NotifyEvents, raw) {
		return raw, nil
	}
	if near := Nearest(raw, NotifyEvents); near != "" {
		return "", wrong("nobody can be told of "+show(raw), "did you mean "+near+"?")
	}
	return "", wrong("nobody can be told of "+show(raw), "write some of "+strings.Join(NotifyEvents, ", "))
}

// checkNotified reports targets that are not there. It comes once all are known.
func (b *builder) checkNotified() {
	for _, e := range b.notified {
		for _, t := range e.Targets {
			if b.config.Named(t.raw) == nil {
				b.report(t.at, wrong("there is no target "+show(t.raw), "write the name of one below targets:"))
			}
		}
	}
}

// hidden reads a text that is never shown: as it stands, or from a file.
func (b *builder) hidden(path, what string, t Text) Secret {
	if !t.given || t.bad {
		return Secret{}
	}
	b.from(path, t)
	name, isFile := strings.CutPrefix(t.raw, "file:")
	if !isFile {
		t.keep()
		if t.variable == "" && t.at.source.Public {
			b.doubt(t.at, wrong("other users of this machine can read this file, and the "+what+" is a secret", "chmod 600 "+t.at.source.Name+", or write file: and a path"))
		}
		return NewSecret(strings.TrimSpace(t.raw))
	}
	return b.secretFile(what, t, value(b, Text{raw: name, at: t.at, given: true, variable: t.variable}, parseFile))
}

func (b *builder) secretFile(what string, t Text, name string) Secret {
	if name == "" {
		return Secret{}
	}
	text, public, err := b.world.ReadSecret(name)
	if err != nil {
		b.report(t.at, wrong("the file of the "+what+" cannot be read: "+plainError(err), ""))
		return Secret{}
	}
	if public {
		b.doubt(t.at, wrong("other users of this machine can read the file of the "+what, "chmod 600 it"))
	}
	return NewSecret(strings.TrimSpace(string(text)))
}

// cost reads prices.
func (b *builder) cost(path string, e CostEntry) Cost {
	price := func(t Number) float64 { return value(b, Text(t), parsePrice) }
	c := Cost{
		PerHour: price(e.PerHour), StoppedPerHour: price(e.StoppedPerHour), PerStart: price(e.PerStart), WaitingPerHour: price(e.WaitingPerHour),
		Currency: value(b, b.from(path+".currency", Text(e.Currency)), parseCurrency),
	}
	switch {
	case c == Cost{Currency: c.Currency} && !e.Currency.given:
		return Cost{}
	case e.PerHour.given && c.StoppedPerHour > c.PerHour:
		b.report(Text(e.StoppedPerHour).at, wrong("it costs more stopped than awake", "write what an hour costs in which it is stopped"))
	case !e.PerHour.given && !e.PerStart.given:
		at := cmp.Or(Text(e.StoppedPerHour).at, Text(e.WaitingPerHour).at, Text(e.Currency).at)
		b.report(at, wrong("nothing says what the target costs", "write per-hour: beside it"))
	}
	return c
}

// parsePrice reads an amount of money.
func parsePrice(raw string) (float64, error) { return parseQuantity(raw, "an amount of money", "0.40") }

// parseQuantity reads a number from 0 to a million.
func parseQuantity(raw, what, example string) (float64, error) {
	n, err := strconv.ParseFloat(raw, 64)
	whole, part, point := strings.Cut(raw, ".")
	switch {
	case !isDigits(whole) || point && !isDigits(part) || err != nil || math.IsInf(n, 0):
		return 0, wrong(show(raw)+" is not "+what, "write one in plain digits, such as "+example)
	case n > 1e6:
		return 0, wrong(show(raw)+" is more than a million", "write less")
	}
	return n, nil
}

func parseCurrency(raw string) (string, error) {
	if len(raw) != 3 || strings.Trim(raw, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", wrong(show(raw)+" is not the code of a currency", "write three capital letters, such as EUR")
	}
	return raw, nil
}

// power reads what a target draws.
func (b *builder) power(path string, e PowerEntry) Power {
	watts := func(t Number) float64 {
		return value(b, Text(t), func(s string) (float64, error) { return parseQuantity(s, "a number of watts", "60") })
	}
	p := Power{Watts: watts(e.Watts), StoppedWatts: watts(e.StoppedWatts)}
	b.from(path+".watts", Text(e.Watts))
	if e.StoppedWatts.given && p.StoppedWatts > p.Watts {
		b.report(Text(e.StoppedWatts).at, wrong("it draws more stopped than awake", "write watts: beside it"))
	}
	return p
}

// autoWord has the cooldown chosen.
const autoWord = "auto"

// cooldown reads that, and whether it is chosen.
func (b *builder) cooldown(path string, e TargetEntry) (time.Duration, AutoCooldown) {
	auto := AutoCooldown{
		Least: value(b, b.from(path+".auto.least", Text(e.AutoCooldown.Least)), cooldownSpan.parse),
		Most:  value(b, b.from(path+".auto.most", Text(e.AutoCooldown.Most)), cooldownSpan.parse),
	}
	b.from(path+".cooldown", Text(e.Cooldown))
	if e.Cooldown.raw != autoWord {
		for _, t := range []Duration{e.AutoCooldown.Least, e.AutoCooldown.Most} {
			if t.given {
				b.report(t.at, wrong("these are bounds of a cooldown that is chosen", "write cooldown: auto, or leave auto-cooldown: out"))
				break
			}
		}
		return value(b, Text(e.Cooldown), cooldownSpan.parse), AutoCooldown{}
	}
	auto.On = true
	if auto.Most > 0 && auto.Least > auto.Most {
		b.report(Text(e.AutoCooldown.Most).at, wrong("the longest is shorter than the shortest, "+formatDuration(auto.Least), "write a longer one"))
	}
	return min(max(usualCooldown, auto.Least), auto.Most), auto
}

// usualCooldown is what is in force until enough is known of a target.
const usualCooldown = 30 * time.Minute
