package shape

import (
	"bytes"
	"net"
	"strings"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113, 3.4

const mostMethod = 24

// readHTTP reads the head of a request. What two servers could understand in two ways is no request here: a second Host or none
// (RFC 9112, 3.2), a folded line, a space before a colon, a control character.
func readHTTP(b []byte) (Hello, error) {
	if _, err := begins(b, preface); err != ErrOther {
		return Hello{Method: "PRI"}, err
	}
	line, rest, ended := cutLine(b)
	if !ended {
		return Hello{}, unfinished(b)
	}
	method, after, ok := strings.Cut(string(line), " ")
	target, version, ok2 := strings.Cut(after, " ")
	if !ok || !ok2 || !printable(line) || !isMethod(method) || target == "" || version != "HTTP/1.1" && version != "HTTP/1.0" {
		return Hello{}, ErrOther
	}
	h := Hello{Method: method}
	absolute := h.target(target)
	hosts := 0
	for {
		line, rest, ended = cutLine(rest)
		switch {
		case !ended:
			return Hello{}, ErrMore
		case len(line) == 0 && hosts == 0 && version == "HTTP/1.1", !printable(line):
			return Hello{}, ErrOther
		case len(line) == 0:
			return h, nil
		}
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(key) {
			return Hello{}, ErrOther
		}
		said := strings.Trim(string(value), " \t")
		switch strings.ToLower(string(key)) {
		case "host":
			if hosts++; hosts > 1 {
				return Hello{}, ErrOther
			}
			if !absolute { // RFC 9112, 3.2.2: the target goes before
				h.Name = host(said)
			}
		case "user-agent":
			if h.UserAgent == "" {
				h.UserAgent = text(said)
			}
		}
	}
}

// target takes the target of a request. True: it has the host, too.
func (h *Hello) target(s string) (absolute bool) {
	if scheme, rest, found := strings.Cut(s, "://"); found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		authority, path, _ := strings.Cut(rest, "/")
		authority, _, _ = strings.Cut(authority, "?")
		h.Name, absolute = host(authority[strings.LastIndexByte(authority, '@')+1:]), true
		s = "/" + path
	}
	if h.Method == "CONNECT" {
		h.Name = host(s)
		return true
	}
	path, _, _ := strings.Cut(s, "?")
	path, _, _ = strings.Cut(path, "#")
	if len(path) <= Most && !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) {
		h.Path = path
	}
	return absolute
}

// host returns a host without its port.
func host(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		return name(h)
	}
	return name(strings.Trim(s, "[]"))
}

// printable says whether a line has no control character but tabs.
func printable(line []byte) bool {
	return !bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// cutLine returns the first line without its end, and what follows. Servers take a line feed alone for an end, too.
func cutLine(b []byte) (line, rest []byte, ended bool) {
	before, after, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return nil, b, false
	}
	return bytes.TrimSuffix(before, []byte("\r")), after, true
}

// unfinished says whether a first line that has not ended may become that of a request.
func unfinished(b []byte) error {
	method, _, ended := bytes.Cut(b, []byte(" "))
	if len(method) > mostMethod || ended && !isMethod(string(method)) || strings.Trim(string(method), upper) != "" {
		return ErrOther
	}
	if bytes.ContainsAny(b, "\x00") {
		return ErrOther
	}
	return ErrMore
}

const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-"

func isMethod(s string) bool { return s != "" && len(s) <= mostMethod && strings.Trim(s, upper) == "" }

// isToken says whether a field has a name (RFC 9110, 5.6.2).
func isToken(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
