package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
)

const (
	mostListBytes = 8 << 20 // of one file
	mostEntries   = 200_000 // of one list
)

// A List is a set of networks: some are given, others stand in files, which are read again when they have changed. It may be
// asked by anybody while it is read again. The zero address is of a client without one, such as that of a unix socket: it is
// in every list.
type List struct {
	given []netip.Prefix
	table atomic.Pointer[bart.Lite]

	mu    sync.Mutex // guards files
	files []listFile
}

// listFile is a file as it was when it was read last.
type listFile struct {
	name     string
	size     int64
	changed  time.Time
	prefixes []netip.Prefix
	trouble  string // with it, told already
}

// NewList returns the list of some networks and of those in the files. The error says which files cannot be read or
// understood, and in which line.
func NewList(prefixes []netip.Prefix, files []string) (*List, error) {
	l := &List{}
	for _, p := range prefixes {
		l.given = append(l.given, plain(p))
	}
	for _, name := range files {
		l.files = append(l.files, listFile{name: name, size: -1})
	}
	return l, l.Reload()
}

// Reload reads files again that have changed. What one said before stays in force while it cannot be read or understood; the
// error says so once for each trouble.
func (l *List) Reload() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	fresh := l.table.Load() == nil
	for i := range l.files {
		changed, err := l.files[i].reload()
		if err != nil {
			errs = append(errs, err)
		}
		fresh = fresh || changed
	}
	if fresh {
		l.build()
	}
	return errors.Join(errs...)
}

// build puts all networks together.
func (l *List) build() {
	table := &bart.Lite{}
	for _, p := range l.given {
		table.Insert(p)
	}
	for _, f := range l.files {
		for _, p := range f.prefixes {
			table.Insert(p)
		}
	}
	l.table.Store(table)
}

// reload reads the file if it has changed.
func (f *listFile) reload() (changed bool, err error) {
	info, err := os.Stat(f.name)
	switch {
	case err != nil:
		f.size = -1 // should it come back, it is read
	case info.Size() == f.size && info.ModTime().Equal(f.changed):
		return false, nil
	default:
		f.size, f.changed = info.Size(), info.ModTime()
		err = f.read(info)
	}
	if err == nil {
		f.trouble = ""
		return true, nil
	}
	if err.Error() == f.trouble {
		return false, nil
	}
	f.trouble = err.Error()
	return false, fmt.Errorf("reading a list of networks: %w", err)
}

func (f *listFile) read(info os.FileInfo) error {
	if !info.Mode().IsRegular() { // to open a pipe may take for ever
		return fmt.Errorf("%s is no ordinary file", f.name)
	}
	file, err := os.Open(f.name)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostListBytes+1))
	switch {
	case err != nil:
		return err
	case len(data) > mostListBytes:
		return fmt.Errorf("%s is longer than %d MiB", f.name, mostListBytes>>20)
	}
	prefixes, err := ParseList(data)
	if err != nil {
		return fmt.Errorf("%s:%w", f.name, err)
	}
	f.prefixes = prefixes
	return nil
}

// ParseList reads networks and addresses, one in a line. A # begins a comment. The error begins with the number of the line.
func ParseList(data []byte) ([]netip.Prefix, error) {
	var all []netip.Prefix
	scanner := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	for line := 1; scanner.Scan(); line++ {
		text, _, _ := strings.Cut(scanner.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", line, err)
		}
		if all = append(all, p); len(all) > mostEntries {
			return nil, fmt.Errorf("%d: a list has at most %d networks", line, mostEntries)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("1: a line is too long: %w", err)
	}
	return all, nil
}

// ParseNetwork reads a network, such as 192.0.2.0/24, or one address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		if p != p.Masked() {
			return netip.Prefix{}, fmt.Errorf("%q has bits behind its length: write %v", text, p.Masked())
		}
		return plain(p), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%.60q is neither a network nor an address: write one such as 192.0.2.0/24", text)
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// plain returns a network of IPv4 that is written as one of IPv6 as what it is.
func plain(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
	}
	return p.Masked()
}

// Contains reports whether a client with this address is in the list. A nil list has everybody.
func (l *List) Contains(ip netip.Addr) bool {
	if l == nil || !ip.IsValid() {
		return true
	}
	return l.table.Load().Contains(ip.Unmap().WithZone(""))
}

// Empty reports whether nobody is in the list.
func (l *List) Empty() bool { return l != nil && l.table.Load().Size() == 0 }
