// Package proxyproto reads and writes the header by which a proxy tells the next one whose connection it passes on (HAProxy's
// PROXY protocol, versions 1 and 2). It works on bytes that somebody else has looked at: the header is understood from a copy,
// and its size says how much of the stream to take. What a header means is for github.com/pires/go-proxyproto; how long it may
// be is decided here.
package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	goproxy "github.com/pires/go-proxyproto"
)

const (
	mostV1 = 107     // bytes of a line, with its end
	Most   = 4 << 10 // bytes of a header of version 2 that are taken; the standard allows 64 KiB of extensions
	minV2  = 16
)

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// ErrMore says that the bytes are the beginning of a header.
var ErrMore = errors.New("the PROXY header is not complete")

// A Source is what a header says of a connection.
type Source struct {
	From, To netip.AddrPort // of the client, and where it has connected to
	Local    bool           // the header says nothing: the proxy speaks for itself, or does not know
}

// Read understands the header at the beginning of b and returns its size. It is [ErrMore] while there may be more to come; any
// other error says what is wrong with it.
func Read(b []byte) (src Source, size int, err error) {
	if size, err = measure(b); err != nil {
		return Source{}, 0, err
	}
	h, err := goproxy.Read(bufio.NewReaderSize(bytes.NewReader(b[:size]), size))
	if err != nil {
		return Source{}, 0, fmt.Errorf("understanding the PROXY header: %w", err)
	}
	if src, err = source(h); err != nil {
		return Source{}, 0, err
	}
	return src, size, nil
}

// measure finds where the header ends.
func measure(b []byte) (int, error) {
	const v1 = "PROXY "
	switch {
	case bytes.HasPrefix(b, []byte(v1)):
		end := bytes.IndexByte(b[:min(len(b), mostV1)], '\n')
		switch {
		case end > 0 && b[end-1] == '\r':
			return end + 1, nil
		case end >= 0 || len(b) >= mostV1:
			return 0, errors.New("the line of the PROXY header does not end as it must")
		}
		return 0, ErrMore
	case bytes.HasPrefix(b, signature):
		if len(b) < minV2 {
			return 0, ErrMore
		}
		size := minV2 + int(binary.BigEndian.Uint16(b[14:]))
		switch {
		case size > Most:
			return 0, fmt.Errorf("the PROXY header has %d bytes, more than %d", size, Most)
		case len(b) < size:
			return 0, ErrMore
		}
		return size, nil
	case bytes.HasPrefix([]byte(v1), b), bytes.HasPrefix(signature, b):
		return 0, ErrMore
	}
	return 0, errors.New("there is no PROXY header, which must come first from this address")
}

// source takes what we want of a header.
func source(h *goproxy.Header) (Source, error) {
	if h.Command.IsLocal() || h.TransportProtocol == goproxy.UNSPEC || h.TransportProtocol.IsUnix() {
		return Source{Local: true}, nil
	}
	if !h.TransportProtocol.IsStream() {
		return Source{}, errors.New("the PROXY header is of a connection that is not TCP")
	}
	from, ok := h.SourceAddr.(*net.TCPAddr)
	to, ok2 := h.DestinationAddr.(*net.TCPAddr)
	if !ok || !ok2 || from.Zone != "" {
		return Source{}, errors.New("the PROXY header has no addresses of TCP")
	}
	return Source{From: plain(from), To: plain(to)}, nil
}

func plain(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// A Version is one of the protocol. 0 is none.
type Version uint8

// The versions.
const (
	V1 Version = 1
	V2 Version = 2
)

// Header returns the header of a connection from one address to another. Without both of them it says only that there is one.
func Header(v Version, from, to netip.AddrPort) []byte {
	h := &goproxy.Header{Version: byte(v), Command: goproxy.LOCAL, TransportProtocol: goproxy.UNSPEC}
	if from.IsValid() && to.IsValid() {
		h.Command, h.TransportProtocol = goproxy.PROXY, goproxy.TCPv4
		source, dest := from.Addr().Unmap().WithZone(""), to.Addr().Unmap().WithZone("")
		if source.Is6() || dest.Is6() { // of mixed families IPv4 is written as IPv6
			h.TransportProtocol = goproxy.TCPv6
			source, dest = netip.AddrFrom16(source.As16()), netip.AddrFrom16(dest.As16())
		}
		h.SourceAddr = &net.TCPAddr{IP: source.AsSlice(), Port: int(from.Port())}
		h.DestinationAddr = &net.TCPAddr{IP: dest.AsSlice(), Port: int(to.Port())}
	}
	if v == V1 && h.Command.IsLocal() {
		return []byte("PROXY UNKNOWN\r\n")
	}
	b, err := h.Format()
	if err != nil {
		return nil // not with these addresses
	}
	return b
}
