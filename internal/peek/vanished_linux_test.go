package peek

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestWhoIsTakenForVanished: the counts are those that were measured of peers in namespaces of their own.
func TestWhoIsTakenForVanished(t *testing.T) {
	for name, c := range map[string]struct {
		info unix.TCPInfo
		want bool
	}{
		"all is well": {unix.TCPInfo{Last_ack_recv: 10, Last_data_recv: 10}, false},
		"silent for an hour, and nothing was lost":     {unix.TCPInfo{Last_ack_recv: 3_600_000, Last_data_recv: 3_600_000}, false},
		"has no room, and answers every probe":         {unix.TCPInfo{Backoff: 7, Last_ack_recv: 9_936, Last_data_recv: 3_600_000}, false},
		"has no room, and answers once in two minutes": {unix.TCPInfo{Backoff: 10, Probes: 1, Last_ack_recv: 120_000, Last_data_recv: 3_600_000}, false},
		"vanished 40 s ago":                            {unix.TCPInfo{Retransmits: 7, Last_ack_recv: 47_420, Last_data_recv: 77_664}, false},
		"vanished with bytes under way":                {unix.TCPInfo{Retransmits: 8, Last_ack_recv: 60_000, Last_data_recv: 90_000}, true},
		"vanished, and the pauses began with 3 s":      {unix.TCPInfo{Retransmits: 4, Last_ack_recv: 60_004, Last_data_recv: 60_004}, true},
		"vanished, or three packets were lost":         {unix.TCPInfo{Retransmits: 3, Last_ack_recv: 60_004, Last_data_recv: 60_004}, false},
		"vanished far away, where attempts take long":  {unix.TCPInfo{Retransmits: 5, Last_ack_recv: 61_000, Last_data_recv: 61_000}, true},
		"vanished when it had no room":                 {unix.TCPInfo{Probes: 6, Last_ack_recv: 60_176, Last_data_recv: 117_860}, true},
		"sends, and acknowledges nothing":              {unix.TCPInfo{Retransmits: 9, Last_ack_recv: 70_000, Last_data_recv: 100}, false},
	} {
		if got := silent(&c.info); got != c.want {
			t.Errorf("%s: taken for vanished %v, want %v", name, got, c.want)
		}
	}
}

func TestNobodyWhoIsThereHasVanished(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // until the peer, which does not read, has no room
	if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if gone, err := Vanished(c); gone || err != nil {
		t.Errorf("a peer that does not read: vanished %v, %v", gone, err)
	}
	_ = c.Close()
	if gone, err := Vanished(c); gone || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed connection: vanished %v, %v", gone, err)
	}
	if !errors.Is(ErrVanished, syscall.ETIMEDOUT) {
		t.Error("whoever asks for a timeout is not told of a peer that has vanished")
	}
}
