package memnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// An ender is what memnet's connection and the kernel's have in common.
type ender interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// endings are short plays on a connection. Each is played here and on a loopback connection of the kernel, and
// must go the same way: memnet is worth what it shares with TCP.
var endings = []struct {
	name string
	play func(s *stage)
	want []string
}{
	{"end of stream behind bytes", func(s *stage) {
		s.write(s.a, 3)
		s.closeWrite(s.a)
		s.read(s.b)
		s.read(s.b)
		s.write(s.b, 2)
		s.read(s.a)
		s.write(s.a, 1)
	}, []string{"wrote 3", "ended", "read 3", "EOF", "wrote 2", "read 2", "EPIPE"}},
	{"reset behind bytes is told once", func(s *stage) {
		s.write(s.a, 3)
		s.reset(s.a)
		s.read(s.b)
		s.read(s.b)
		s.read(s.b)
		s.write(s.b, 1)
		s.closeWrite(s.b)
	}, []string{"wrote 3", "closed", "read 3", "ECONNRESET", "EOF", "EPIPE", "ENOTCONN"}},
	{"reset told to the writer hides from the reader", func(s *stage) {
		s.write(s.a, 3)
		s.reset(s.a)
		s.await(s.b)
		s.write(s.b, 1)
		s.read(s.b)
		s.read(s.b)
	}, []string{"wrote 3", "closed", "ECONNRESET", "read 3", "EOF"}},
	{"reset behind the end of stream", func(s *stage) {
		s.write(s.a, 3)
		s.closeWrite(s.a)
		s.reset(s.a)
		s.await(s.b)
		s.write(s.b, 1)
		s.read(s.b)
		s.read(s.b)
	}, []string{"wrote 3", "ended", "closed", "EPIPE", "read 3", "EOF"}},
	{"close with unread bytes resets", func(s *stage) {
		s.write(s.a, 3)
		s.write(s.b, 2)
		s.peek(s.a)
		s.close(s.a)
		s.read(s.b)
		s.read(s.b)
	}, []string{"wrote 3", "wrote 2", "closed", "read 3", "ECONNRESET"}},
	{"bytes to a closed end are answered by a reset", func(s *stage) {
		s.write(s.a, 3)
		s.close(s.a)
		s.read(s.b)
		s.write(s.b, 2)
		s.await(s.b)
		s.read(s.b)
		s.write(s.b, 1)
	}, []string{"wrote 3", "closed", "read 3", "wrote 2", "EOF", "EPIPE"}},
	{"close of both is quiet", func(s *stage) {
		s.close(s.a)
		s.read(s.b)
		s.close(s.b)
	}, []string{"closed", "EOF", "closed"}},
	{"reset after the other's end of stream", func(s *stage) {
		s.closeWrite(s.b)
		s.read(s.a)
		s.reset(s.a)
		s.read(s.b)
		s.write(s.b, 1)
	}, []string{"ended", "EOF", "closed", "ECONNRESET", "EPIPE"}},
}

func TestEndingsAreThoseOfTheKernel(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memnet follows the rules of Linux; this is", runtime.GOOS)
	}
	for _, e := range endings {
		t.Run(e.name+"/kernel", func(t *testing.T) {
			a, b := loopback(t)
			play(t, a, b, e.play, e.want)
		})
		t.Run(e.name+"/memnet", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := connect(t, new(Network))
				play(t, a, b, e.play, e.want)
			})
		})
	}
}

func play(t *testing.T, a, b ender, f func(*stage), want []string) {
	t.Helper()
	s := &stage{t: t, a: a, b: b}
	defer a.Close()
	defer b.Close()
	f(s)
	if !slices.Equal(s.heard, want) {
		t.Errorf("heard %q, want %q", s.heard, want)
	}
}

// loopback returns the two ends of a connection of the kernel.
func loopback(t *testing.T) (a, b ender) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return d.(*net.TCPConn), c.(*net.TCPConn)
}

// A stage plays and writes down what was heard.
type stage struct {
	t     *testing.T
	a, b  ender
	heard []string
}

func (s *stage) note(format string, n int, err error) {
	switch errno, _ := errors.AsType[syscall.Errno](err); {
	case err == nil:
		s.heard = append(s.heard, fmt.Sprintf(format, n))
	case err == io.EOF:
		s.heard = append(s.heard, "EOF")
	case errno == syscall.ECONNRESET:
		s.heard = append(s.heard, "ECONNRESET")
	case errno == syscall.EPIPE:
		s.heard = append(s.heard, "EPIPE")
	case errno == syscall.ENOTCONN:
		s.heard = append(s.heard, "ENOTCONN")
	default:
		s.heard = append(s.heard, err.Error())
	}
}

func (s *stage) write(c ender, size int) {
	n, err := c.Write(make([]byte, size))
	s.note("wrote %d", n, err)
}

func (s *stage) read(c ender) {
	n, err := c.Read(make([]byte, 100))
	s.note("read %d", n, err)
}

func (s *stage) closeWrite(c ender) { s.note("ended%.0d", 0, c.CloseWrite()) }
func (s *stage) close(c ender)      { s.note("closed%.0d", 0, c.Close()) }
func (s *stage) reset(c ender)      { c.SetLinger(0); s.close(c) }

// await waits until a reset of c has arrived, and peek until bytes have, without taking anything.
func (s *stage) await(c ender) {
	if m, ok := c.(*Conn); ok {
		if err := m.WaitBroken(s.t.Context()); !errors.Is(err, syscall.ECONNRESET) {
			s.t.Fatalf("waiting for a reset gave %v", err)
		}
		return
	}
	s.poll(c, brokenNow)
}

func (s *stage) peek(c ender) {
	if m, ok := c.(*Conn); ok {
		m.Peek(make([]byte, 1))
		return
	}
	s.poll(c, readableNow)
}

func (s *stage) poll(c ender, now func(fd uintptr) bool) {
	rc, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for ok := false; !ok; time.Sleep(time.Millisecond) {
		rc.Control(func(fd uintptr) { ok = now(fd) })
		if ctx.Err() != nil {
			s.t.Fatal("the kernel did not deliver within 30 s")
		}
	}
}

func TestWatchingTellsGoneFromHalfClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, new(Network))
		defer b.Close()
		a.Write([]byte("x"))
		a.CloseWrite()
		gone := make(chan error, 1)
		go func() { gone <- b.WaitGone(t.Context()) }()
		synctest.Wait()
		if len(gone) != 0 || b.Broken() {
			t.Fatal("a half-closed end with queued bytes was taken for gone")
		}
		a.SetLinger(0)
		a.Close()
		if err := <-gone; !errors.Is(err, syscall.ECONNRESET) || !b.Broken() {
			t.Errorf("after a reset: %v, broken %v", err, b.Broken())
		}
		if queued, err := b.Queued(); queued != 1 || err != nil {
			t.Errorf("%d bytes are queued and %v, want the one that had arrived", queued, err)
		}

		c, d := Pipe(0)
		defer d.Close()
		c.Close()
		if err := d.WaitGone(t.Context()); err != io.EOF {
			t.Errorf("after an end of stream: %v, want io.EOF", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := d.WaitBroken(ctx); err != context.DeadlineExceeded {
			t.Errorf("waiting for a reset of a half-closed connection gave %v, want the context's error", err)
		}
	})
}
