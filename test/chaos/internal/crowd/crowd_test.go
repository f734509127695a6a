//go:build linux

package crowd

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// server runs serve for each client on loopback.
func server(t *testing.T, serve func(*net.TCPConn)) func(context.Context) (*net.TCPConn, error) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c.(*net.TCPConn)) }()
		}
	}()
	return func(ctx context.Context) (*net.TCPConn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp4", ln.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

// flip echoes with one bit changed, past the first thousand bytes.
func flip(c *net.TCPConn) {
	buf := make([]byte, 4096)
	for at := 0; ; {
		n, err := c.Read(buf)
		if at <= 1000 && at+n > 1000 {
			buf[1000-at] ^= 4
		}
		at += n
		if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut echoes half of what comes, and ends.
func cut(c *net.TCPConn) {
	_, _ = io.CopyN(c, c, 1000)
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// abort resets.
func abort(c *net.TCPConn) { _ = c.SetLinger(0) }

func TestEachKindSeesWhatTheServerDoes(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(*net.TCPConn)
		kinds []Kind
		want  []Outcome
	}{
		{"echo", echo, []Kind{Short, Long, Bulk, Half}, []Outcome{Served}},
		{"a wrong byte", flip, []Kind{Short, Long, Bulk, Half}, []Outcome{Wrong}},
		{"a clean end too early", cut, []Kind{Short, Long, Bulk, Half}, []Outcome{Early}},
		{"a reset", abort, []Kind{Short, Long, Bulk, Half}, []Outcome{Reset}},
		{"nothing", func(c *net.TCPConn) { <-t.Context().Done() }, []Kind{Short, Half}, []Outcome{Silent}},
		{"echo", echo, []Kind{Leaver, Rude, Knock}, []Outcome{Left}},
	} {
		dial := server(t, c.serve)
		for _, kind := range c.kinds {
			t.Run(c.name+"/"+string(kind), func(t *testing.T) {
				p := Plan{Kind: kind, Size: 3000, Turns: 3, Pause: time.Millisecond, Seed: 7}
				if kind == Bulk {
					p.Size = 1 << 20
				}
				patience := time.Minute
				if c.want[0] == Silent {
					patience = 100 * time.Millisecond
				}
				v := Visit(t.Context(), p, Options{Dial: dial, Patience: patience})
				if v.Outcome != c.want[0] {
					t.Errorf("it says %q (%s), want %q", v.Outcome, v.Detail, c.want[0])
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	v := Visit(t.Context(), Plan{Kind: Short, Size: 1}, Options{Patience: time.Minute, Dial: func(ctx context.Context) (*net.TCPConn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp4", ln.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}})
	if v.Outcome != Refused {
		t.Errorf("it says %q (%s)", v.Outcome, v.Detail)
	}
}
