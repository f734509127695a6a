package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const settleTCP = 50 * time.Millisecond // for which a connection must stay open, if nothing is said

// probe reads how a target shows that it is ready.
func (b *builder) probe(path string, e ProbeEntry) Probe {
	var p Probe
	if e.short.raw != "" || e.short.given {
		if strings.Contains(e.short.raw, " ") && !strings.HasPrefix(e.short.raw, string(ProbeBanner)) {
			e.short.keep()
		}
		p = value(b, b.from(path, e.short), parseProbe)
	} else {
		p = b.longProbe(path, e)
	}
	p.Interval = value(b, b.from(path+".interval", Text(e.Interval)), intervalSpan.parse)
	p.Timeout = value(b, b.from(path+".timeout", Text(e.Timeout)), attemptSpan.parse)
	p.Settle = value(b, b.from(path+".settle", Text(e.Settle)), settleSpan.parse)
	if p.Kind == ProbeTCP && !e.Settle.given {
		p.Settle = settleTCP
	}
	return p
}

// longProbe reads the long form.
func (b *builder) longProbe(path string, e ProbeEntry) Probe {
	p := Probe{
		Kind: value(b, b.from(path, Text(e.Kind)), func(s string) (ProbeKind, error) {
			return parseWord(s, ProbeTCP, ProbeHTTP, ProbeHTTPS, ProbeTLS, ProbeBanner, ProbeExec)
		}),
		Command:    b.command(path+".command", e.Command),
		Path:       value(b, b.from(path+".path", Text(e.Path)), func(s string) (string, error) { return parsePath(s) }),
		Expect:     value(b, b.from(path+".expect", Text(e.Expect)), func(s string) (string, error) { return s, checkBanner(s, s) }),
		ServerName: value(b, b.from(path+".server_name", Text(e.ServerName)), parseServerName),
		Verify:     b.yes(e.Verify),
	}
	for i, t := range e.Status {
		if i == 0 {
			b.places[path+".status"] = t.at
		}
		p.Status = append(p.Status, value(b, t, parseStatus))
	}
	if p.Kind == "" {
		return p
	}
	b.foreign(p.Kind, e)
	switch {
	case p.asksHTTP() && !e.Path.given:
		p.Path = "/"
	case p.Kind == ProbeExec && len(e.Command) == 0:
		b.report(e.Kind.at, wrong("an exec probe needs a command", "write command: and the path of a program"))
	}
	return p
}

// asksHTTP says whether the probe asks for a page.
func (p Probe) asksHTTP() bool { return p.Kind == ProbeHTTP || p.Kind == ProbeHTTPS }

// yes reads a yes or a no.
func (b *builder) yes(w Word) bool {
	return value(b, Text(w), func(raw string) (string, error) { return parseWord(raw, "no", "yes") }) == "yes"
}

// foreign reports keys that belong to another kind of probe.
func (b *builder) foreign(kind ProbeKind, e ProbeEntry) {
	first := func(all Texts) Text {
		if len(all) == 0 {
			return Text{}
		}
		return all[0]
	}
	web, secure := []ProbeKind{ProbeHTTP, ProbeHTTPS}, []ProbeKind{ProbeTLS, ProbeHTTPS}
	for _, k := range []struct {
		key string
		of  []ProbeKind
		t   Text
	}{
		{"path", web, Text(e.Path)}, {"status", web, first(Texts(e.Status))}, {"server-name", secure, Text(e.ServerName)},
		{"verify", secure, Text(e.Verify)}, {"expect", []ProbeKind{ProbeBanner}, Text(e.Expect)},
		{"command", []ProbeKind{ProbeExec}, first(Texts(e.Command))},
	} {
		if !k.t.given || slices.Contains(k.of, kind) {
			continue
		}
		var kinds strings.Builder
		kinds.WriteString(string(k.of[0]))
		for _, more := range k.of[1:] {
			kinds.WriteString(" or " + string(more))
		}
		b.report(k.t.at, wrong(k.key+" belongs to a probe of kind "+kinds.String()+", and this is of kind "+string(kind),
			"leave it out, or write kind: "+string(k.of[0])))
	}
}

// parsePath reads the path of a request.
func parsePath(raw string) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", wrong(showPath(raw)+" has no / in front", "write the path of a request, such as /healthz")
	}
	return raw, checkHTTPPath(raw, raw)
}

// parseStatus reads a status code of HTTP, or a row of them.
func parseStatus(raw string) (StatusRange, error) {
	const hint = "write one such as 200, or a row such as 200-299"
	first, last, row := strings.Cut(raw, "-")
	if !row {
		last = first
	}
	f, err := strconv.Atoi(first)
	l, err2 := strconv.Atoi(last)
	switch {
	case !isDigits(first) || !isDigits(last) || err != nil || err2 != nil:
		return StatusRange{}, wrong(show(raw)+" is not a status code", hint)
	case f < 100 || l > 599:
		return StatusRange{}, wrong(show(raw)+" is outside of 100 to 599, which is what servers answer", hint)
	case f > l:
		return StatusRange{}, wrong(show(raw)+" ends before it begins", fmt.Sprintf("write %d-%d", l, f))
	}
	return StatusRange{f, l}, nil
}

// parseServerName reads the name that a server is asked for by TLS.
func parseServerName(raw string) (string, error) {
	_, err := netip.ParseAddr(raw)
	switch {
	case raw == "":
		return "", wrong("the probe has no name after the colon", "write tls:NAME, or tls alone")
	case err == nil:
		return "", wrong(show(raw)+" is an address, and TLS asks for a name", "write a host name, or leave it out")
	}
	return raw, checkHostName(raw)
}

// headers gives each probe the PROXY header that all have to bring who come to its port.
func (b *builder) headers() {
	for i := range b.config.Targets {
		t := &b.config.Targets[i]
		versions := map[string]bool{}
		for _, r := range b.config.Routes {
			for _, to := range append([]To{r.To}, choiceTargets(r)...) {
				if to.Target == t.Name && to.Port == 0 && to.Path == "" {
					versions[r.SendProxy] = true
				}
			}
		}
		if len(versions) == 1 {
			for v := range versions {
				t.Probe.SendProxy = v
			}
		}
	}
}

func choiceTargets(r Route) (all []To) {
	for _, c := range r.Choices {
		all = append(all, c.To)
	}
	return all
}
