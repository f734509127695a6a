package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, v := range []Version{V1, V2} {
		for _, c := range [][2]string{
			{"192.0.2.1:1234", "198.51.100.2:22"}, {"[2001:db8::1]:65535", "[2001:db8::2]:1"}, {"192.0.2.1:1", "[2001:db8::2]:2"}, {"[::ffff:192.0.2.1]:7", "198.51.100.2:22"},
		} {
			from, to := netip.MustParseAddrPort(c[0]), netip.MustParseAddrPort(c[1])
			b := Header(v, from, to)
			src, size, err := Read(append(b, "GET /"...))
			want := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			if err != nil || size != len(b) || src.Local || src.From != want || src.To.Port() != to.Port() {
				t.Errorf("version %d, %v: %q gives %+v, %d, %v", v, c, b, src, size, err)
			}
			for n := range b {
				if _, _, err := Read(b[:n]); !errors.Is(err, ErrMore) {
					t.Fatalf("version %d: %d of %d bytes: %v", v, n, len(b), err)
				}
			}
		}
		b := Header(v, netip.AddrPort{}, netip.AddrPort{})
		if src, size, err := Read(b); err != nil || !src.Local || size != len(b) {
			t.Errorf("version %d, local: %q gives %+v, %d, %v", v, b, src, size, err)
		}
	}
}

// wrong are headers that nobody may believe.
var wrong = []string{
	"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "PROXY", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.999 1.2.3.4 1 2\r\n", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP4 " + strings.Repeat("1", 120) + "\r\n",
	string(signature) + "\x11\x11\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02", // version 1 in binary
	string(signature) + "\x21\x12\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02", // datagrams
	string(signature) + "\x21\x11\x00\x02\x01\x02",                                         // too short for its family
	string(signature) + "\x2f\x11\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02", // no such command
	string(signature) + "\x21\x11\xff\xff",
}

func TestWrongHeadersAreRefused(t *testing.T) {
	for _, w := range wrong {
		src, size, err := Read([]byte(w))
		if err == nil || errors.Is(err, ErrMore) && w != "PROXY" {
			t.Errorf("%.40q gives %+v, %d, %v", w, src, size, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, w := range wrong {
		f.Add([]byte(w))
	}
	for _, v := range []Version{V1, V2} {
		f.Add(Header(v, netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")))
		f.Add(Header(v, netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:2")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src, size, err := Read(b)
		if err != nil {
			return
		}
		if size <= 0 || size > len(b) || size > Most {
			t.Fatalf("a header of %d bytes in %d", size, len(b))
		}
		if !src.Local && (!src.From.IsValid() || src.From.Addr().Zone() != "") {
			t.Fatalf("a source without an address: %+v", src)
		}
		again, n, err := Read(append(bytes.Clone(b), "and more"...))
		if err != nil || n != size || again != src {
			t.Fatalf("a longer look gives %+v, %d, %v; before %+v, %d", again, n, err, src, size)
		}
	})
}
