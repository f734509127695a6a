//go:build linux

package backend

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// served starts a backend on loopback and gives its address and a way to order.
func served(t *testing.T) (addr netip.AddrPort, order func(Order) Answer) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = netip.MustParseAddrPort(probe.Addr().String())
	probe.Close()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Run(inR, outW) }()
	t.Cleanup(func() {
		inW.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	answers := json.NewDecoder(outR)
	order = func(o Order) Answer {
		if err := json.NewEncoder(inW).Encode(o); err != nil {
			t.Fatal(err)
		}
		var a Answer
		if err := answers.Decode(&a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := order(Order{Do: "listen", Addr: addr, Backlog: 128}); a.Error != "" || a.At == 0 {
		t.Fatalf("listen: %+v", a)
	}
	return addr, order
}

// ask sends all, ends its half, and reads to the end.
func ask(t *testing.T, addr netip.AddrPort, parts ...[]byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(bytes.Join(parts, nil)); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEachModeAnswersAsItsHeaderSays(t *testing.T) {
	addr, _ := served(t)
	good := wire.At(0, 700_000)
	bad := bytes.Clone(good)
	bad[10] ^= 1
	for name, c := range map[string]struct{ send, want []byte }{
		"sink":        {append(wire.Header(wire.Sink, 0), bad...), wire.Tally(700_000, 0)},
		"check":       {append(wire.Header(wire.Check, 0), good...), wire.Tally(700_000, 0)},
		"source":      {wire.Header(wire.Source, 900_000), wire.At(0, 900_000)},
		"reply":       {append(wire.Header(wire.Reply, 600_000), bad...), wire.At(0, 600_000)},
		"unknown":     {wire.Header('x', 1), nil},
		"half header": {[]byte("S123"), nil},
	} {
		if got := ask(t, addr, c.send); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %d bytes, want %d", name, len(got), len(c.want))
		}
	}
	if _, wrong := wire.ParseTally([wire.TallyLen]byte(ask(t, addr, wire.Header(wire.Check, 0), bad))); wrong == 0 {
		t.Error("a changed byte was not noticed")
	}
}

func TestAnEchoLargerThanTheSocketComesBackWhole(t *testing.T) {
	addr, _ := served(t)
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 16 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(wire.Header(wire.Echo, 0))
		for off := uint64(0); err == nil && off < size; off += 1 << 19 {
			_, err = conn.Write(wire.At(off, 1<<19))
		}
		sent <- err
	}()
	got := make([]byte, size)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil || !wire.Matches(0, got) {
		t.Errorf("the echo is not what was sent (%v)", err)
	}
}

func TestAClosedAddressTellsWhoCame(t *testing.T) {
	addr, order := served(t)
	for range 3 {
		ask(t, addr, wire.Header(wire.Sink, 0))
	}
	if a := order(Order{Do: "close", Addr: addr}); a.Accepts != 3 || a.First == 0 || a.Error != "" {
		t.Errorf("close: %+v", a)
	}
	if conn, err := net.Dial("tcp", addr.String()); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
	for _, o := range []Order{{Do: "close", Addr: addr}, {Do: "dance"}} {
		if a := order(o); a.Error == "" {
			t.Errorf("%+v was carried out", o)
		}
	}
}
