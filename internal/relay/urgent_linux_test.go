package relay

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUrgentDataLosesNothingElse: splice(2) stops at the mark, and takes the end of the
// stream for the end of everything. What lies behind the mark must arrive.
func TestUrgentDataLosesNothingElse(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) { pastUrgent(t, e) })
	}
}

func pastUrgent(t *testing.T, e engine) {
	client, nearClient := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	done := make(chan Result, 1)
	go func() {
		r, _ := e(t.Context(), nearClient, nearBackend, Options{})
		done <- r
	}()
	say(t, client, "last, ")
	sendUrgent(t, client)
	say(t, client, "words")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(backend); string(rest) != "last, words" || err != nil {
		t.Errorf("at the end the backend read %q, %v", rest, err)
	}
	backend.Close()
	if r := <-done; r.Sent != int64(len("last, words")) || r.End != EndClosed {
		t.Errorf("account: %+v", r)
	}
}

// TestWhatFollowsUrgentDataDoesNotWait for the end of the stream on a loop.
func TestWhatFollowsUrgentDataDoesNotWait(t *testing.T) {
	client, nearClient := tcpPair(t)
	nearBackend, backend := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = runLink(t.Context(), nearClient, nearBackend, Options{})
	}()
	say(t, client, "last, ")
	sendUrgent(t, client)
	say(t, client, "words")
	got := make([]byte, len("last, words"))
	if _, err := io.ReadFull(backend, got); err != nil || string(got) != "last, words" {
		t.Errorf("the backend read %q, %v", got, err)
	}
	client.Close()
	backend.Close()
	<-done
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// sendUrgent sends one byte as urgent data.
func sendUrgent(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sendErr error
	if err := raw.Control(func(fd uintptr) { sendErr = unix.Sendto(int(fd), []byte{'!'}, unix.MSG_OOB, nil) }); err != nil || sendErr != nil {
		t.Fatal(err, sendErr)
	}
}

// tcpPair returns the two ends of a connection over loopback, which do not hang for ever.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{dialled, accepted} {
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}
