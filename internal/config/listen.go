package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// A row is an address to listen on, and its ports from the first to the last; or the path of a unix socket.
type row struct {
	ip          netip.Addr
	first, last uint16
	socket      string
}

// An address is a host and a row of its ports.
type address struct {
	host string
	ports
}

// parseAddress reads the address of a target, HOST:PORT or HOST:FIRST-LAST.
func parseAddress(raw string) (address, error) {
	if path, isUnix := strings.CutPrefix(raw, "unix:"); isUnix {
		return address{ports: ports{socket: path}}, checkSocket(path)
	}
	host, port, err := backendKey.split(raw)
	if err != nil {
		return address{}, err
	}
	a := address{}
	if a.host, err = backendKey.parseHost(host); err != nil {
		return address{}, err
	}
	a.ports, err = parsePorts(port)
	return a, err
}

// parseListen reads PORT, IP:PORT or a row of ports of either.
func parseListen(raw string) (row, error) {
	if isDigits(raw) || isDigits(before(raw, "-")) && !strings.Contains(raw, ":") && !strings.Contains(raw, ".") {
		first, last, err := parseRow(raw, parseListenPort)
		return row{ip: netip.IPv4Unspecified(), first: first, last: last}, err
	}
	if path, isUnix := strings.CutPrefix(raw, "unix:"); isUnix {
		if err := checkSocket(path); err != nil {
			return row{}, err
		}
		return row{socket: path}, nil
	}
	host, port, err := listenKey.split(raw)
	if err != nil {
		return row{}, err
	}
	r := row{}
	if r.ip, err = listenKey.parseListenIP(host); err != nil {
		return row{}, err
	}
	if r.first, r.last, err = parseRow(port, parseListenPort); err != nil {
		return row{}, err
	}
	return r, nil
}

// split takes host and ports apart.
func (p place) split(raw string) (host, port string, err error) {
	i := strings.LastIndexByte(raw, ':')
	switch {
	case raw == "":
		return "", "", wrong("it is empty", "write one such as "+p.example)
	case strings.Contains(raw, "://") || strings.ContainsAny(raw, "@,;/"):
		if err := p.checkOnlyHost(raw); err != nil {
			return "", "", err
		}
	case i == 0:
		return "", "", wrong(show(raw)+" has no host in front of the colon", "write one such as "+p.example)
	case strings.Count(raw, ":") > 1 && !strings.Contains(raw, "]:"):
		return "", "", wrong(show(raw)+" is an IPv6 address without brackets or without a port", `write one such as "[fd00::15]:8000", with the quotes`)
	case i < 0 && isDigits(raw):
		return "", "", wrong(show(raw)+" has no host", "write one such as "+p.example)
	case i < 0 || strings.HasSuffix(raw, "]"):
		hint := "write one such as " + p.example
		if _, err := netip.ParseAddr(raw); err == nil || p == backendKey && hostOK(raw) {
			hint = "write a colon and a port behind it, such as " + raw + ":8000"
		}
		return "", "", wrong(show(raw)+" has no port", hint)
	case i == len(raw)-1:
		return "", "", wrong(show(raw)+" has no port behind the colon", "write one such as "+p.example)
	}
	if i < 0 {
		return "", "", wrong(show(raw)+" has no port", "write one such as "+p.example)
	}
	return raw[:i], raw[i+1:], nil
}

// mostSocket is how long the path of a unix socket may be on every system.
const mostSocket = 103

// checkSocket checks the path of a unix socket.
func checkSocket(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return wrong(show("unix:"+path)+" does not have the whole path of a socket", "write one such as unix:/run/app.sock")
	case len(path) > mostSocket:
		return wrong(show(path)+fmt.Sprintf(" is longer than the %d bytes that the path of a socket may have", mostSocket), "put it into a folder with a shorter name")
	}
	return checkPath(path)
}

// parsePorts reads a port of a target, or a row of them, or a unix socket.
func parsePorts(raw string) (ports, error) {
	if path, isUnix := strings.CutPrefix(raw, "unix:"); isUnix {
		return ports{socket: path}, checkSocket(path)
	}
	first, last, err := parseRow(raw, parsePort)
	return ports{first: first, last: last}, err
}

// parseRow reads PORT or FIRST-LAST.
func parseRow(raw string, parse func(string) (uint16, error)) (first, last uint16, err error) {
	from, to, isRow := strings.Cut(raw, "-")
	if !isRow || !isDigits(from) || !isDigits(to) {
		first, err = parse(raw)
		return first, first, err
	}
	if first, err = parsePort(from); err != nil {
		return 0, 0, err
	}
	if last, err = parsePort(to); err != nil {
		return 0, 0, err
	}
	switch {
	case last < first:
		return 0, 0, wrong(show(raw)+" goes down", "write "+to+"-"+from)
	case int(last)-int(first) >= mostRoutes:
		return 0, 0, wrong(show(raw)+fmt.Sprintf(" is more than %d ports", mostRoutes), "write a shorter row")
	}
	return first, last, nil
}
