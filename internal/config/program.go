package config

import (
	"cmp"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseProgram reads the path of a program that is run without a shell and without
// arguments.
func parseProgram(raw string) ([]string, error) {
	if first, more := commandLine(raw); more {
		return nil, wrong(show(first+" …")+" is a command with arguments, and no shell runs it",
			"put it in a script and write the path of that")
	}
	if err := checkPath(raw); err != nil {
		return nil, err
	}
	if last := raw[strings.LastIndexByte(raw, '/')+1:]; last == "" || last == "." || last == ".." {
		return nil, wrong(show(raw)+" is a directory", "write the path of a program in it")
	}
	return []string{raw}, nil
}

// commandLine reports whether s is a command with arguments rather than a path that has
// a space in it, and returns its first word. The rest may hold a password.
func commandLine(s string) (first string, ok bool) {
	first, rest, found := strings.Cut(s, " ")
	if !found {
		return s, false
	}
	if !strings.ContainsAny(first, `/\`) {
		return first, true // such a path would begin with ./
	}
	for _, sign := range []string{"-", "&", "|", ";", ">", "<", "$", "'", `"`} {
		if strings.HasPrefix(rest, sign) || strings.Contains(rest, " "+sign) {
			return first, true
		}
	}
	return first, false
}

// checkPath refuses a path that a shell was to complete, and what is no path.
func checkPath(raw string) error {
	switch {
	case raw == "":
		return wrong("it is empty", "write a path")
	case strings.ContainsFunc(raw, unicode.IsControl) || !utf8.ValidString(raw):
		return wrong(show(raw)+" has a character that no path should have", "write it without")
	case strings.HasPrefix(raw, "~"):
		return wrong(show(raw)+" begins with a ~ that the shell did not replace", "write the whole path")
	case strings.Contains(raw, "://"):
		return wrong(show(raw)+" is a URL", "write the path of a file on this machine")
	default:
		return nil
	}
}

// parseDir reads the path of a directory.
func parseDir(raw string) (string, error) { return raw, checkPath(raw) }

// parseFile reads the path of a file.
func parseFile(raw string) (string, error) {
	if err := checkPath(raw); err != nil {
		return "", err
	}
	if last := raw[strings.LastIndexByte(raw, '/')+1:]; last == "" || last == "." || last == ".." {
		return "", wrong(show(raw)+" is a directory", "write the path of a file in it")
	}
	return raw, nil
}

// parseEnv reads what a hook gets in its environment. A message shows names and never
// a value, which may be a password.
func parseEnv(raw string) (Variable, error) {
	name, value, set := strings.Cut(raw, "=")
	if name == "" {
		return Variable{}, wrong("it has no name of a variable", "write NAME or NAME=VALUE")
	}
	if !set { // a name was meant, and perhaps a value behind some other sign
		if i := strings.IndexAny(raw, " \t:,"); i > 0 {
			return Variable{}, wrong(beginning(raw[:i])+" is followed by what is no part of a name",
				"write NAME or NAME=VALUE, and the flag once for each")
		}
	}
	v := Variable{Name: name, Inherit: !set}
	if set {
		v.Value = NewSecret(value)
	}
	return v, v.check()
}

// check returns what is wrong with a variable.
func (v Variable) check() error {
	name := v.Name
	if plain := strings.TrimPrefix(name, "$"); plain != name && isVariable(plain) {
		return wrong(beginning(name)+" has a $ in front", "write the name of the variable alone")
	}
	if strings.TrimSpace(name) != name {
		return wrong(beginning(strings.TrimSpace(name))+" has spaces around it", "write NAME=VALUE without any")
	}
	if !isVariable(name) {
		return wrong(beginning(name)+" is not the name of a variable",
			"a name has letters, digits and _, and does not begin with a digit")
	}
	if strings.HasPrefix(strings.ToUpper(name), "ROUSE_") {
		return wrong(show(name)+" is one of the names that rouse sets itself", "choose a name that does not begin with ROUSE_")
	}
	if strings.ContainsRune(v.Value.Reveal(), 0) {
		return wrong("the value of "+show(name)+" has a NUL in it", "write it without")
	}
	return nil
}

// beginning shows enough of a name to find it, and not all of a password that somebody
// wrote in its place.
func beginning(name string) string {
	const most = 4
	if len(name) <= most {
		return show(name)
	}
	return show(strings.ToValidUTF8(name[:most], "") + "…")
}

// isVariable reports whether s can be the name of an environment variable in a shell.
func isVariable(s string) bool {
	return s != "" && strings.Trim(s, letters+digits+"_") == "" && !strings.Contains(digits, s[:1])
}

// parseEnvs reads all of them.
func parseEnvs(raw []string) ([]Variable, Problems) {
	var problems Problems
	var env []Variable
	for _, one := range raw {
		v, err := parseEnv(one)
		if err != nil {
			problems.add("", err)
			continue
		}
		env = append(env, v)
	}
	problems.addTwice("", env)
	return env, problems
}

// addTwice records variables that are given more than once.
func (p *Problems) addTwice(where string, env []Variable) {
	names := map[string]bool{}
	for _, v := range env {
		if names[v.Name] {
			p.add(where, wrong(show(v.Name)+" is given twice", "write it once"))
		}
		names[v.Name] = true
	}
}

const maxBanner = 256 // bytes of a banner that are compared

// parseProbe reads a probe: tcp, http:/path, banner, banner:PREFIX or exec:PATH.
func parseProbe(raw string) (Probe, error) {
	kind, rest, colon := strings.Cut(raw, ":")
	if strings.ContainsAny(kind, "/ ") { // /healthz, curl http://…
		kind, rest, colon = raw, "", false
	}
	switch ProbeKind(kind) {
	case ProbeTCP:
		if colon {
			return Probe{}, wrong(show(raw)+" has more than the kind of the probe",
				"write tcp; it connects to the address of the target")
		}
		return Probe{Kind: ProbeTCP}, nil
	case ProbeHTTP, ProbeHTTPS:
		return parseHTTPProbe(ProbeKind(kind), raw, rest)
	case ProbeTLS:
		if !colon {
			return Probe{Kind: ProbeTLS}, nil
		}
		name, err := parseServerName(rest)
		return Probe{Kind: ProbeTLS, ServerName: name}, err
	case ProbeBanner:
		if colon && rest == "" {
			return Probe{}, wrong(show(raw)+" has no text after the colon", "write banner:SSH- or, for any text, banner")
		}
		return Probe{Kind: ProbeBanner, Expect: rest}, checkBanner(rest, raw)
	case ProbeExec:
		if rest == "" {
			return Probe{}, wrong(show(raw)+" names no program", "write one, such as exec:./ready.sh")
		}
		command, err := parseProgram(rest)
		return Probe{Kind: ProbeExec, Command: command}, err
	}
	shown := showPath(raw)
	if strings.Contains(raw, " ") {
		shown = show(before(raw, " ") + " …") // as in commandLine
	}
	return Probe{}, wrong(shown+" is not a probe", probeHint(strings.ToLower(kind)))
}

// probeHint says which probe somebody may have meant.
func probeHint(kind string) string {
	switch kind {
	case "ssl":
		return "write tls, or https:/path"
	case "ssh":
		return "write banner:SSH-"
	case "smtp", "ftp":
		return "write banner:220"
	case "ping", "icmp", "none", "off", "udp":
		return "write tcp"
	}
	if strings.Contains(kind, " ") {
		return "put a command in a script, and write exec: and the path of that"
	}
	if strings.HasPrefix(kind, "/") && checkHTTPPath(kind, kind) == nil && !strings.Contains(kind, "?") {
		return "write http:" + kind + " to ask for that path, or exec:" + kind + " to run that program"
	}
	if near := Nearest(kind, []string{"tcp", "http", "https", "tls", "banner", "exec"}); near != "" {
		return "did you mean " + near + "?"
	}
	return "write tcp, http:/path, https:/path, tls, banner, banner:PREFIX or exec:PATH"
}

// parseHTTPProbe reads the path of a request; raw is the whole probe, for messages.
func parseHTTPProbe(kind ProbeKind, raw, path string) (Probe, error) {
	switch {
	case raw == string(kind):
		path = "/"
	case strings.HasPrefix(path, "//"):
		hint := "write " + string(kind) + ":/path; the host and port are those of the target"
		if u, err := url.Parse(raw); err == nil && checkHTTPPath(cmp.Or(u.EscapedPath(), "/"), raw) == nil {
			hint = "write " + string(kind) + ":" + cmp.Or(u.EscapedPath(), "/") + "; the host and port are those of the target"
		}
		return Probe{}, wrong(showPath(raw)+" is a URL", hint)
	case !strings.HasPrefix(path, "/"):
		hint := "write one, such as " + string(kind) + ":/"
		if checkHTTPPath("/"+path, raw) == nil {
			hint += before(path, "?")
		}
		return Probe{}, wrong(showPath(raw)+" has no path that begins with /", hint)
	}
	return Probe{Kind: kind, Path: path}, checkHTTPPath(path, raw)
}

// showPath shows the path of a request without its query, which may hold a password.
func showPath(raw string) string { return show(before(raw, "?")) }

// checkHTTPPath refuses what cannot stand in the first line of a request.
func checkHTTPPath(path, raw string) error {
	plain := func(r rune) bool { return r > ' ' && r < 0x7f && r != '#' }
	u, err := url.ParseRequestURI(path)
	if err != nil || u.Host != "" || path[0] != '/' || strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return wrong(showPath(raw)+" has a character that no path of a request has",
			"write a path such as http:/healthz, with %20 for a space and without a #")
	}
	return nil
}

// checkBanner refuses a beginning that no target would send.
func checkBanner(expect, raw string) error {
	if len(expect) > maxBanner {
		return wrong(show(raw)+" expects more than 256 bytes", "write only the beginning")
	}
	if strings.ContainsFunc(expect, unicode.IsControl) {
		return wrong(show(raw)+" has a control character in it", "write only what stands before that")
	}
	return nil
}
