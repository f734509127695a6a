package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns the two ends of a connection through a listener of n.
func connect(t *testing.T, n *Network) (dialled, accepted *Conn) {
	t.Helper()
	l, err := n.Listen("server:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := n.Dial(t.Context(), "server:80")
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b.(*Conn)
}

func TestDialToNobodyIsRefusedAtOnce(t *testing.T) {
	_, err := new(Network).Dial(t.Context(), "server:80")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial gave %v, want ECONNREFUSED", err)
	}
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("dial gave %T, want a *net.OpError", err)
	}
}

func TestDialToADroppedAddressHangsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen("server:80")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		n.Drop("server:80", true)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		_, err = n.DialContext(ctx, "tcp", "server:80")
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Errorf("dial gave %v, want a timeout", err)
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("dial took %v, want 7s", took)
		}
	})
}

func TestDialGoesThroughOnceTheAddressIsNoLongerDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		n.Drop("server:80", true)
		l, err := n.Listen("server:80")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		time.AfterFunc(time.Minute, func() { n.Drop("server:80", false) })
		c, err := n.Dial(t.Context(), "server:80")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestDialBeyondTheBacklogWaitsForAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := Network{Backlog: 2}
		l, err := n.Listen("server:80")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c, err := n.Dial(t.Context(), "server:80")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		time.AfterFunc(time.Hour, func() {
			c, err := l.Accept()
			if err == nil {
				c.Close()
			}
		})
		began := time.Now()
		c, err := n.Dial(t.Context(), "server:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if time.Since(began) != time.Hour {
			t.Errorf("dial took %v, want 1h", time.Since(began))
		}
		l.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that the closed listener had queued gave %v, want ECONNRESET", err)
		}
	})
}

func TestListenGivesAddressesAsTheNetPackageDoes(t *testing.T) {
	var n Network
	l, err := n.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || a.Port == 0 {
		t.Errorf("the address is %v (%T), want a *net.TCPAddr with a port", l.Addr(), l.Addr())
	}
	if _, err := n.Listen(l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening twice gave %v, want EADDRINUSE", err)
	}
	c, err := n.DialFrom(t.Context(), "192.0.2.7", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if got := far.RemoteAddr().(*net.TCPAddr).IP.String(); got != "192.0.2.7" {
		t.Errorf("the accepted end sees %s, want 192.0.2.7", got)
	}
	if far.RemoteAddr().String() != c.LocalAddr().String() || far.LocalAddr().String() != c.RemoteAddr().String() {
		t.Error("the two ends do not agree on their addresses")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close gave %v, want net.ErrClosed", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second close gave %v, want net.ErrClosed", err)
	}
}

func TestOpenCountsEndsUntilTheyAreClosed(t *testing.T) {
	var n Network
	a, b := connect(t, &n)
	if n.Open() != 2 {
		t.Errorf("open is %d, want 2", n.Open())
	}
	a.Close()
	a.Close() // counted once
	if n.Open() != 1 {
		t.Errorf("open is %d after one close, want 1", n.Open())
	}
	b.Close()
	if n.Open() != 0 {
		t.Errorf("open is %d after both closed, want 0", n.Open())
	}
}

func TestAWriterIsHeldBackByAReaderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, &Network{Window: 1000})
		defer b.Close()
		sent := bytes.Repeat([]byte("0123456789"), 1000)
		done := make(chan error)
		go func() {
			_, err := a.Write(sent)
			done <- errors.Join(err, a.Close())
		}()
		synctest.Wait()
		if queued, _ := b.Queued(); queued != 1000 {
			t.Errorf("%d bytes arrived, want 1000", queued)
		}
		if unsent, _ := a.Unsent(); unsent != 1000 {
			t.Errorf("%d bytes wait to be sent, want 1000", unsent)
		}
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes and %v, want the %d that were written", len(got), err, len(sent))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDeadlinesFollowTheBubblesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, &Network{Window: 10})
		defer a.Close()
		defer b.Close()
		began := time.Now()
		a.SetReadDeadline(began.Add(time.Minute))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read gave %v, want os.ErrDeadlineExceeded", err)
		}
		a.SetWriteDeadline(began.Add(2 * time.Minute))
		n, err := a.Write(make([]byte, 100))
		if ne, ok := errors.AsType[net.Error](err); n != 20 || !ok || !ne.Timeout() {
			t.Errorf("write took %d bytes and gave %v, want 20 and a timeout", n, err)
		}
		if took := time.Since(began); took != 2*time.Minute {
			t.Errorf("both took %v, want 2m", took)
		}
	})
}

func TestADeadlineSetLaterEndsAWaitThatStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, new(Network))
		defer a.Close()
		defer b.Close()
		time.AfterFunc(time.Hour, func() { a.SetDeadline(time.Unix(1, 0)) })
		if _, err := a.Peek(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("peek gave %v, want os.ErrDeadlineExceeded", err)
		}
		a.SetDeadline(time.Time{})
		if _, err := a.Write([]byte("x")); err != nil {
			t.Errorf("write after the deadline was taken away gave %v", err)
		}
	})
}

func TestCloseEndsTheUsersOwnWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, &Network{Window: 10})
		defer b.Close()
		errs := make(chan error)
		go func() { _, err := a.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := a.Write(make([]byte, 100)); errs <- err }()
		go func() { errs <- a.WaitBroken(t.Context()) }()
		synctest.Wait()
		a.Close()
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a wait gave %v, want net.ErrClosed", err)
			}
		}
	})
}

func TestPeekLeavesTheBytes(t *testing.T) {
	a, b := connect(t, new(Network))
	defer a.Close()
	defer b.Close()
	a.Write([]byte("hello"))
	buf := make([]byte, 3)
	for range 2 {
		if n, err := b.Peek(buf); n != 3 || err != nil || string(buf) != "hel" {
			t.Errorf("peek gave %q, %v", buf[:n], err)
		}
	}
	buf = make([]byte, 10)
	if n, err := b.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("read gave %q, %v", buf[:n], err)
	}
}
