package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A place is where an address stands on the command line: the flags that take its host
// and its port, and an example of a host.
// In a file, host and port are one value: then there are no flags.
type place struct{ host, port, example string }

var (
	targetPlace = place{"--target-ip", "--target-port", "192.168.100.15"}
	proxyPlace  = place{"--proxy-ip", "--proxy-port", "0.0.0.0"}
	backendKey  = place{example: "192.168.100.15:8000"}
	hostKey     = place{example: "192.168.100.15"}
	listenKey   = place{example: "0.0.0.0:8000"}
)

// parseHost reads the address of a target: an IP address, with or without brackets, or
// a host name. The result has no brackets.
func parseHost(raw string) (string, error) { return targetPlace.parseHost(raw) }

func (p place) parseHost(raw string) (string, error) {
	if ip, err := netip.ParseAddr(unbracket(raw)); err == nil {
		ip = ip.Unmap()
		return ip.String(), checkTargetIP(ip, show(raw))
	}
	if err := p.checkOnlyHost(raw); err != nil {
		return "", err
	}
	return raw, checkHostName(raw)
}

// parseListenIP reads the address to listen on, which is an IP address: a name could
// mean several, and another machine.
func parseListenIP(raw string) (netip.Addr, error) { return proxyPlace.parseListenIP(raw) }

func (p place) parseListenIP(raw string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(unbracket(raw)); err == nil {
		ip = ip.Unmap()
		return ip, checkUnicast(ip, show(raw))
	}
	switch strings.ToLower(raw) {
	case "localhost":
		return netip.Addr{}, wrong(show(raw)+" is a name, not an IP address", "write 127.0.0.1, or ::1 for IPv6")
	case "*", "any", "all", "0", "[*]":
		return netip.Addr{}, wrong(show(raw)+" is not an IP address",
			"write 0.0.0.0 for every address of this machine, or :: for IPv6 too")
	}
	if err := p.checkOnlyHost(raw); err != nil {
		return netip.Addr{}, err
	}
	if err := checkHostName(raw); err != nil {
		return netip.Addr{}, err
	}
	return netip.Addr{}, wrong(show(raw)+" is a name, not an IP address",
		"write an IP address of this machine, or 0.0.0.0 for all of them")
}

// unbracket takes the brackets from an IPv6 address.
func unbracket(s string) string {
	inner, open := strings.CutPrefix(s, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if open && closed && strings.Contains(inner, ":") {
		return inner
	}
	return s
}

// checkOnlyHost refuses what holds more than a host, or something around it.
func (p place) checkOnlyHost(raw string) error {
	if strings.Contains(raw, "://") {
		if u, err := url.Parse(raw); err == nil {
			return wrong(show(raw)+" is a URL", p.write(u.Hostname(), u.Port()))
		}
		return wrong(show(raw)+" is a URL", p.write("", ""))
	}
	if at := strings.LastIndexByte(raw, '@'); at >= 0 {
		return wrong(show(raw)+" has a user in it", p.write(raw[at+1:], ""))
	}
	if host, port, err := net.SplitHostPort(raw); err == nil && (hostOK(host) || host == "" && portOK(port)) {
		return wrong(show(raw)+" has a port in it", p.write(host, port))
	}
	if _, err := netip.ParsePrefix(raw); err == nil {
		return wrong(show(raw)+" is a network, not one address", p.write("", ""))
	}
	if host, _, found := strings.Cut(raw, "/"); found {
		return wrong(show(raw)+" has a path in it", p.write(host, ""))
	}
	if inner := strings.Trim(raw, "[]"); len(inner) == len(raw)-2 && hostOK(inner) {
		return wrong(show(raw)+" has brackets that are only for IPv6", p.write(inner, ""))
	}
	if strings.ContainsAny(raw, ",;") {
		return wrong(show(raw)+" is more than one address", "write one")
	}
	return nil
}

// write says how to write a host, and perhaps a port, when they are good.
func (p place) write(host, port string) string {
	if p.host == "" {
		return p.writeKey(host, port)
	}
	hint := "write only the address, such as " + p.host + "=" + p.example
	if hostOK(host) {
		hint = "write " + p.host + "=" + host
	}
	if portOK(port) {
		hint += " " + p.port + "=" + port
	}
	return hint
}

// writeKey is write for a value in a file.
func (p place) writeKey(host, port string) string {
	_, _, joined := strings.Cut(p.example, ":")
	switch {
	case !hostOK(host) || joined && !portOK(port):
		return "write one such as " + p.example
	case joined:
		return "write " + yamlAddress(net.JoinHostPort(host, port))
	default:
		return "write " + host
	}
}

// yamlAddress returns an address as it stands in a file, where a bracket in front would begin a list.
func yamlAddress(address string) string {
	if strings.HasPrefix(address, "[") {
		return strconv.Quote(address)
	}
	return address
}

// hostOK reports whether s may stand for a host in a hint.
func hostOK(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Zone() == ""
	}
	return checkHostName(s) == nil
}

// portOK reports whether s may stand for a port in a hint.
func portOK(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// checkTargetIP refuses addresses at which no single machine answers.
func checkTargetIP(ip netip.Addr, shown string) error {
	if ip.IsUnspecified() {
		local := "127.0.0.1"
		if ip.Is6() {
			local = "::1"
		}
		return wrong(shown+" means every address, not the one of the target",
			"write "+local+" when the target is on this machine")
	}
	return checkUnicast(ip, shown)
}

// checkUnicast refuses multicast and broadcast addresses, link-local ones that do not
// say on which network, and zones that are not the name or number of an interface.
func checkUnicast(ip netip.Addr, shown string) error {
	switch {
	case ip.IsMulticast():
		return wrong(shown+" is a multicast address", "write the address of one machine")
	case ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return wrong(shown+" is the broadcast address", "write the address of one machine")
	case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
		return wrong(shown+" is good on one network only and does not say on which",
			"write the interface too, such as "+ip.String()+"%eth0")
	case strings.Trim(ip.Zone(), letters+digits+"._-") != "" || len(ip.Zone()) > 32:
		return wrong(shown+" names no network interface after the %", "write one, such as "+ip.WithZone("").String()+"%eth0")
	default:
		return nil
	}
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// checkHostName refuses what cannot be a host name (RFC 1123, section 2.1, and the
// underscores that container networks allow) and addresses that were mistyped.
func checkHostName(s string) error {
	name := strings.TrimSuffix(s, ".")
	labels := strings.Split(name, ".")
	if strings.Count(s, ":") > 1 {
		return wrong(show(s)+" is not an IPv6 address", "write one such as fd00::15")
	}
	if isDigits(labels[len(labels)-1]) { // no name ends in a number, so that addresses are no names
		return wrong(show(s)+" is not an IPv4 address", ipv4Hint(labels))
	}
	if strings.ContainsAny(s, " \t") {
		return wrong(show(s)+" has a space in it", "write one IP address or host name")
	}
	if strings.Trim(s, letters+digits+"._-") != "" {
		if strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) {
			return wrong(show(s)+" has letters that no host name has", "write its ASCII form, which begins with xn--")
		}
		return wrong(show(s)+" is neither an IP address nor a host name", "write one such as 192.168.100.15 or vm.lan")
	}
	if len(name) > 253 {
		return wrong(show(s)+" is longer than a host name can be", "write at most 253 letters")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return wrong(show(s)+" is not a host name",
				"each part between dots has 1 to 63 letters, digits or dashes, with no dash at its ends")
		}
	}
	return nil
}

// ipv4Hint says how to write an IPv4 address that was mistyped.
func ipv4Hint(labels []string) string {
	trimmed := make([]string, len(labels))
	for i, label := range labels {
		trimmed[i] = strings.TrimLeft(label, "0")
		if trimmed[i] == "" && label != "" {
			trimmed[i] = "0"
		}
	}
	if ip, err := netip.ParseAddr(strings.Join(trimmed, ".")); err == nil {
		return "without leading zeros it is " + ip.String()
	}
	return "write four numbers from 0 to 255, such as 192.168.100.15"
}

// wellKnown are the ports of services that people name instead of a number.
var wellKnown = map[string]string{
	"http": "80", "https": "443", "ssh": "22", "rdp": "3389", "postgres": "5432", "postgresql": "5432",
	"mysql": "3306", "redis": "6379", "minecraft": "25565", "vnc": "5900",
}

// parsePort reads a port that can be connected to.
func parsePort(raw string) (uint16, error) {
	const allowed = "write a number from 1 to 65535"
	n, err := readPort(raw, allowed)
	if err == nil && n == 0 {
		err = wrong(show(raw)+" is no port to connect to", allowed)
	}
	return n, err
}

// parseListenPort reads a port to listen on, where 0 stands for any free one.
func parseListenPort(raw string) (uint16, error) {
	switch strings.ToLower(raw) {
	case "any", "auto", "free", "random", "*":
		return 0, wrong(show(raw)+" is not a port", "write 0 for any free one")
	}
	return readPort(raw, "write a number from 1 to 65535, or 0 for any free one")
}

// readPort reads any port; allowed is the hint when nothing better is known.
func readPort(raw, allowed string) (uint16, error) {
	n, err := strconv.ParseUint(raw, 10, 16)
	if err == nil && (raw == "0" || raw[0] != '0') {
		return uint16(n), nil
	}
	if isDigits(raw) && err != nil {
		return 0, wrong(show(raw)+" is above the highest port", allowed)
	}
	if strings.ContainsAny(raw, ", ") || isRange(raw) {
		return 0, wrong(show(raw)+" is not one port", "write one number, without anything between its digits")
	}
	if port, ok := portWithin(raw); ok {
		return 0, wrong(show(raw)+" is not a port", "write "+port)
	}
	return 0, wrong(show(raw)+" is not a port", allowed)
}

// isRange reports whether s is a range of ports, such as 8000-8010.
func isRange(s string) bool {
	from, to, found := strings.Cut(strings.ReplaceAll(s, ":", "-"), "-")
	return found && isDigits(from) && isDigits(to)
}

// portWithin finds the port that was meant in :8000, host:8000, 8000/tcp, 0080 and ssh.
func portWithin(s string) (string, bool) {
	if port, ok := wellKnown[strings.ToLower(s)]; ok {
		return port, true
	}
	s = strings.TrimLeft(s[strings.LastIndexByte(s, ':')+1:], "0")
	for _, suffix := range []string{"/tcp", "/", ".0"} {
		s = strings.TrimSuffix(s, suffix)
	}
	return s, portOK(s)
}

// checkLoop refuses a listener that the backend of its own target leads back to. Names
// other than localhost, and addresses that this machine has without our knowing, are
// not looked up.
func checkLoop(listen netip.AddrPort, backend Backend) error {
	if listen.Port() == 0 || listen.Port() != backend.Port {
		return nil
	}
	for _, ip := range addressesOf(backend.Host) {
		if reaches(ip, listen.Addr()) {
			return wrong("rouse would connect to itself: it listens on "+listen.String()+
				" and the target is "+backend.Address(), "choose another port to listen on")
		}
	}
	return nil
}

// addressesOf returns the addresses that are known without asking anybody.
func addressesOf(host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return nil
}

// reaches reports whether a connection to ip arrives at a listener on addr. A listener
// on :: takes IPv4 as well, one on 0.0.0.0 takes nothing else.
func reaches(ip, addr netip.Addr) bool {
	switch {
	case ip == addr:
		return true
	case !ip.IsLoopback() && !ip.IsUnspecified():
		return false
	case addr.IsUnspecified():
		return addr.Is6() || ip.Is4()
	default:
		return ip.IsUnspecified() && addr.IsLoopback() && addr.Is4() == ip.Is4()
	}
}
