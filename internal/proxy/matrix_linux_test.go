package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A scene is a village whose one client has come while the target slept. The target boots when the test says so, and the
// test plays both far ends.
type scene struct {
	*village
	client *net.TCPConn
	served chan *net.TCPConn // the server's end of each client
	wake   func()
}

// onBothPaths plays a scene with each way of carrying clients.
func onBothPaths(t *testing.T, f func(*scene)) {
	t.Helper()
	for name, goroutines := range map[string]bool{"loop": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			s := &scene{served: make(chan *net.TCPConn, 10)}
			asleep, over := make(chan struct{}), make(chan struct{})
			s.wake = func() { close(asleep) }
			s.village = settle(t, &server{asleep: asleep, serve: func(c net.Conn) {
				s.served <- c.(*net.TCPConn)
				<-over
			}}, rules{goroutines: goroutines})
			t.Cleanup(func() { close(over) })
			s.client = s.village.client()
			defer s.client.Close()
			s.counts(0, 1)
			until(t, "the start is under way", func() bool { return s.starts.Load() == 1 }) // who leaves before it began, wakes nobody
			f(s)
			s.counts(0, 0)
		})
	}
}

// noise returns n bytes without a pattern, the same for the same n.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b) // never fails
	return b
}

// backend is the server's end of the client.
func (s *scene) backend() *net.TCPConn {
	s.t.Helper()
	select {
	case c := <-s.served:
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	case <-time.After(patience):
		s.t.Fatal("the client was not served")
		return nil
	}
}

// sends writes all of b, and then ends the stream if end is true.
func (s *scene) sends(c *net.TCPConn, b []byte, end bool) {
	if _, err := c.Write(b); err != nil {
		s.t.Errorf("writing %d bytes: %v", len(b), err)
	}
	if !end {
		return
	}
	if err := c.CloseWrite(); err != nil {
		s.t.Errorf("ending the stream: %v", err)
	}
}

// reads reads c to its end, which must be want (io.EOF or an errno), and checks the bytes before it.
func (s *scene) reads(c *net.TCPConn, sent []byte, want error) {
	s.t.Helper()
	got, err := io.ReadAll(c)
	if err == nil {
		err = io.EOF
	}
	if !errors.Is(err, want) || !bytes.Equal(got, sent) {
		s.t.Errorf("read %d bytes and %v, want the %d that were sent and %v", len(got), err, len(sent), want)
	}
}

// arrived waits until the other end's system has all that was sent to it, an end of stream included.
func (s *scene) arrived(c *net.TCPConn) {
	s.t.Helper()
	until(s.t, "what was sent has arrived", func() bool {
		n, err := peek.Unsent(c)
		return n == 0 && err == nil
	})
}

// left checks that the client has given up its wait, and that nobody is served though the target wakes.
func (s *scene) left() {
	s.t.Helper()
	s.ledger.reaches(s.t, event.ClientLeft, 1)
	s.counts(0, 0)
	s.wake()
	s.becomes(target.Ready)
	s.ledger.wants(s.t, event.ClientServed, 0)
	s.ran(1, 0)
}

// ends checks the client's account.
func (s *scene) ends(cause string, sent, received int) {
	s.t.Helper()
	s.ledger.reaches(s.t, event.ClientEnded, 1)
	e := s.ledger.of(event.ClientEnded)[0]
	if e.Cause != cause || e.Sent != int64(sent) || e.Received != int64(received) {
		s.t.Errorf("the account: %s, %d bytes sent, %d received; want %s, %d, %d", e.Cause, e.Sent, e.Received, cause, sent, received)
	}
	s.ledger.wants(s.t, event.ClientLeft, 0)
}

// TestHalfCloseIsKeptForAClientThatCameAsleep plays the cases of relay.TestHalfCloseIsKept, and those where the end of the
// stream stands behind a line in the kernel's queue, for a client that has to wait. One that ends its stream with nothing
// queued has gone.
func TestHalfCloseIsKeptForAClientThatCameAsleep(t *testing.T) {
	answers := map[string][]byte{"nothing": nil, "a line": []byte("so be it\n"), "three megabytes": noise(3 << 20)}
	for under, sent := range map[string][]byte{"none": nil, "a line": []byte("please\n"), "two megabytes": noise(2 << 20)} {
		for name, answer := range answers {
			t.Run(fmt.Sprintf("client first, %s under way, answer %s", under, name), func(t *testing.T) {
				onBothPaths(t, func(s *scene) { s.clientEndsFirst(sent, answer) })
			})
			t.Run(fmt.Sprintf("backend first, %s under way, answer %s", under, name), func(t *testing.T) {
				onBothPaths(t, func(s *scene) { s.backendEndsFirst(sent, answer) })
			})
		}
	}
}

func (s *scene) clientEndsFirst(sent, answer []byte) {
	asked := make(chan struct{})
	go func() { defer close(asked); s.sends(s.client, sent, true) }()
	if len(sent) == 0 {
		<-asked
		s.reads(s.client, nil, syscall.ECONNRESET)
		s.left()
		return
	}
	if len(sent) < 1000 {
		<-asked
		s.arrived(s.client)
	}
	s.wake()
	backend := s.backend()
	s.reads(backend, sent, io.EOF)
	<-asked
	go s.sends(backend, answer, true)
	s.reads(s.client, answer, io.EOF)
	s.ends("closed", len(sent), len(answer))
}

func (s *scene) backendEndsFirst(sent, answer []byte) {
	s.wake()
	backend := s.backend()
	s.ledger.reaches(s.t, event.ClientServed, 1)
	go s.sends(backend, sent, true)
	s.reads(s.client, sent, io.EOF)
	go s.sends(s.client, answer, true)
	s.reads(backend, answer, io.EOF)
	s.ends("closed", len(answer), len(sent))
}

// TestResetsArePassedOnForAClientThatCameAsleep plays the cases of relay.TestResetsArePassedOn for a client that has to
// wait. One that resets before the target is awake has gone, whatever it had sent.
func TestResetsArePassedOnForAClientThatCameAsleep(t *testing.T) {
	for name, play := range map[string]func(*scene){
		"client idle":                          (*scene).clientResetsIdle,
		"client behind bytes":                  (*scene).clientResetsBehindBytes,
		"client after its own end of stream":   (*scene).clientResetsAfterItsEnd,
		"client after the other's end stream":  (*scene).clientResetsAfterTheOthersEnd,
		"backend idle":                         (*scene).backendResetsIdle,
		"backend behind bytes":                 (*scene).backendResetsBehindBytes,
		"backend after its own end of stream":  (*scene).backendResetsAfterItsEnd,
		"backend after the other's end stream": (*scene).backendResetsAfterTheOthersEnd,
	} {
		t.Run(name, func(t *testing.T) { onBothPaths(t, play) })
	}
}

// early finds room in the kernel while nobody reads it.
var early = noise(32 << 10)

func (s *scene) clientResetsIdle() {
	hangUp(s.client)
	s.left()
}

func (s *scene) clientResetsBehindBytes() {
	s.sends(s.client, early, false)
	s.arrived(s.client)
	hangUp(s.client)
	s.left()
}

func (s *scene) clientResetsAfterItsEnd() {
	s.sends(s.client, early, true)
	s.arrived(s.client)
	s.counts(0, 1) // it is half-closed, and still there
	hangUp(s.client)
	s.left()
}

func (s *scene) clientResetsAfterTheOthersEnd() {
	s.wake()
	backend := s.backend()
	s.sends(backend, early, true)
	s.reads(s.client, early, io.EOF)
	hangUp(s.client)
	s.reads(backend, nil, syscall.ECONNRESET)
	s.ends("client_reset", 0, len(early))
}

func (s *scene) backendResetsIdle() {
	s.wake()
	backend := s.backend()
	s.ledger.reaches(s.t, event.ClientServed, 1)
	hangUp(backend)
	s.reads(s.client, nil, syscall.ECONNRESET)
	s.ends("backend_reset", 0, 0)
}

func (s *scene) backendResetsBehindBytes() {
	s.wake()
	backend := s.backend()
	s.sends(backend, early, false)
	s.arrived(backend) // a reset takes back what has not
	s.ledger.reaches(s.t, event.ClientServed, 1)
	hangUp(backend)
	s.reads(s.client, early, syscall.ECONNRESET)
	s.ends("backend_reset", 0, len(early))
}

func (s *scene) backendResetsAfterItsEnd() {
	s.wake()
	backend := s.backend()
	s.sends(backend, early, true)
	s.reads(s.client, early, io.EOF)
	hangUp(backend)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := peek.WaitBroken(ctx, s.client); !errors.Is(err, peek.ErrReset) {
		s.t.Errorf("waiting for a reset gave %v", err)
	}
	s.ends("backend_reset", 0, len(early))
}

func (s *scene) backendResetsAfterTheOthersEnd() {
	s.sends(s.client, early, true)
	s.arrived(s.client)
	s.wake()
	backend := s.backend()
	s.reads(backend, early, io.EOF)
	hangUp(backend)
	s.reads(s.client, nil, syscall.ECONNRESET)
	s.ends("backend_reset", len(early), 0)
}
