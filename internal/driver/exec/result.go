package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// largestResult bounds in bytes what a hook may leave in ROUSE_OUTPUT.
const largestResult = 4 << 10

// newResult makes the empty file that a start hook finds in ROUSE_OUTPUT. Its
// name is the same for all runs, so a crash leaves no litter. On a full disk it
// lies in the system's temporary folder; if that is no better there is none.
func (d *Driver) newResult() string {
	removeResult(d.resultAt)
	file, err := os.OpenFile(d.resultAt, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		if err = proveWritable(file); err == nil {
			return d.resultAt
		}
	}
	elsewhere, otherErr := os.CreateTemp("", "rouse-output-")
	if otherErr == nil {
		if otherErr = proveWritable(elsewhere); otherErr == nil {
			d.log.Warn("ROUSE_OUTPUT lies in the temporary folder", "err", err)
			return elsewhere.Name()
		}
	}
	d.log.Warn("hook gets no ROUSE_OUTPUT", "err", errors.Join(err, otherErr))
	return ""
}

// proveWritable closes the file, and removes it if a hook could not write to it.
func proveWritable(file *os.File) error {
	_, err := file.Write(make([]byte, largestResult))
	err = errors.Join(err, file.Truncate(0), file.Close())
	if err != nil {
		removeResult(file.Name())
	}
	return err
}

// removeResult is best effort: the next run makes a new file or says why not.
func removeResult(path string) {
	if path != "" {
		_ = os.Remove(path)
	}
}

// readResult reads what a start hook left. A hook may have removed the file, or
// put another in its place.
func readResult(path string) (address string, unknown []string, err error) {
	if path == "" {
		return "", nil, nil
	}
	b, err := readPlain(path, largestResult)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return parseResult(b)
}

// readPlain reads a regular file of at most limit bytes, and no other.
func readPlain(path string, limit int) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noLink|noWait, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return b, err
}

// parseResult reads lines of the form key=value; blank lines do not count. Only
// the key "address" means something; the names of the others come back in
// unknown. No key may stand twice.
func parseResult(b []byte) (address string, unknown []string, err error) {
	if len(b) > largestResult {
		return "", nil, fmt.Errorf("more than %d bytes", largestResult)
	}
	seen := map[string]bool{}
	for i, line := range bytes.Split(b, []byte{'\n'}) {
		line = bytes.Trim(line, " \t")
		if len(line) == 0 {
			continue
		}
		key, value, found := strings.Cut(string(line), "=")
		key, value = strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")
		switch {
		case !found || !validKey(key):
			return "", nil, fmt.Errorf("line %d is not key=value: %q", i+1, sanitize(line, longestOwn))
		case seen[key]:
			return "", nil, fmt.Errorf("line %d: %q stands there twice", i+1, key)
		}
		seen[key] = true
		if key != "address" {
			unknown = append(unknown, key)
			continue
		}
		if address, err = parseAddress(value); err != nil {
			return "", nil, fmt.Errorf("line %d: address %q: %w", i+1, sanitize([]byte(value), longestOwn), err)
		}
	}
	return address, unknown, nil
}

func validKey(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// parseAddress checks HOST or HOST:PORT and returns it in one form: an IPv6
// address stands in brackets if, and only if, a port follows.
func parseAddress(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		var closed bool
		host, port, closed = strings.Cut(s[1:], "]")
		if port, hasPort = strings.CutPrefix(port, ":"); !closed || !hasPort && port != "" || !strings.Contains(host, ":") {
			return "", errors.New("brackets go around an IPv6 address, and only a port may follow")
		}
	} else if strings.Count(s, ":") == 1 {
		host, port, hasPort = strings.Cut(s, ":")
	}
	host, err := parseHost(host)
	if err != nil || !hasPort {
		return host, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return "", errors.New("a port is a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

func parseHost(s string) (string, error) {
	ip, err := netip.ParseAddr(s)
	if err == nil {
		ip = ip.Unmap()
		if ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return "", errors.New("nobody can be reached there")
		}
		if zone := ip.Zone(); zone != "" && !validLabel(zone, ".") {
			return "", errors.New("the zone is not a name")
		}
		return ip.String(), nil
	}
	if !validDNSName(s) {
		return "", errors.New("the host is neither an IP address nor a DNS name")
	}
	return s, nil
}

// validDNSName follows RFC 1123, section 2.1, with underscores and one final dot
// allowed as resolvers do. A name whose last label is a number is a mistyped IPv4
// address.
func validDNSName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if !validLabel(label, "") || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// validLabel allows letters, digits, - and _, and what extra lists.
func validLabel(s, extra string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return s != "" && len(s) <= 63 && strings.Trim(s, allowed+extra) == ""
}
