package relay

import (
	"context"
	"crypto/sha256"
	"errors"

	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/memnet"
	"github.com/rouse-proxy/rouse/internal/peek"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a relay that runs, with the far ends of its two connections in the hands of the test.
type rig struct {
	t       *testing.T
	inside  bool // in a bubble, where time passes only while all wait
	client  Conn
	backend Conn
	cancel  context.CancelFunc
	ended   chan struct{} // closed when Run has returned; then the two below may be read
	res     Result
	err     error
}

// An engine relays between two connections until they have ended, as Run does.
type engine func(ctx context.Context, client, backend Conn, opts Options) (Result, error)

// engines are those for connections of the kernel. Each file of a system adds its own.
var engines = map[string]engine{"goroutines": Run}

// onEach runs f with each engine on connections of the kernel and, in a bubble, between connections of memnet.
func onEach(t *testing.T, f func(r *rig)) {
	t.Helper()
	onKernel(t, Options{}, f)
	t.Run("memnet", func(t *testing.T) { onMemnet(t, Options{}, 0, f) })
}

// onKernel runs f with each engine on connections of the kernel.
func onKernel(t *testing.T, opts Options, f func(r *rig)) {
	t.Helper()
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			client, near := loopback(t)
			far, backend := loopback(t)
			r := &rig{t: t, client: client, backend: backend}
			r.start(e, near, far, opts)
			defer r.stop()
			f(r)
		})
	}
}

func onMemnet(t *testing.T, opts Options, window int, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, near := memnet.Pipe(window)
		far, backend := memnet.Pipe(window)
		r := &rig{t: t, inside: true, client: client, backend: backend}
		r.start(Run, near, far, opts)
		defer r.stop()
		f(r)
	})
}

func (r *rig) start(e engine, near, far Conn, opts Options) {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		r.res, r.err = e(ctx, near, far, opts)
	}()
}

// stop ends the relay and closes the far ends. A test that is about the end waits for it first, with wantEnd.
func (r *rig) stop() {
	r.cancel()
	<-r.ended
	r.client.Close()
	r.backend.Close()
}

// of returns the far end of side s, and that of the other side.
func (r *rig) of(s side) (it, other Conn) {
	if s == theClient {
		return r.client, r.backend
	}
	return r.backend, r.client
}

// wantEnd waits until the relay has ended by itself, and checks how.
func (r *rig) wantEnd(want End) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(2 * time.Minute):
		r.t.Fatal("the relay has not ended within two minutes")
	}
	if r.res.End != want {
		r.t.Errorf("the relay ended as %q (%v), want %q", r.res.End, r.err, want)
	}
	if (r.err == nil) != (want == EndClosed) {
		r.t.Errorf("the end %q came with the error %v", want, r.err)
	}
	if r.res.Ended.Before(r.res.Started) {
		r.t.Error("it ended before it started")
	}
}

// wantEndBy is wantEnd that, in a bubble, also checks the time.
func (r *rig) wantEndBy(by time.Time, want End) {
	r.t.Helper()
	r.wantEnd(want)
	if late := r.res.Ended.Sub(by); r.inside && late > 0 {
		r.t.Errorf("the relay ended %v too late", late)
	}
}

func loopback(t testing.TB) (dialled, accepted *net.TCPConn) {
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
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return d.(*net.TCPConn), a.(*net.TCPConn)
}

func (r *rig) write(c Conn, b []byte) {
	r.t.Helper()
	if _, err := c.Write(b); err != nil {
		r.t.Errorf("writing %d bytes: %v", len(b), err)
	}
}

func (r *rig) closeWrite(c Conn) {
	r.t.Helper()
	if err := c.CloseWrite(); err != nil {
		r.t.Errorf("ending the stream: %v", err)
	}
}

func (r *rig) reset(c Conn) {
	r.t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		r.t.Errorf("resetting: %v", err)
	}
}

// wantRead reads c to its end, which must be want (io.EOF or an errno), and checks the bytes before it.
func (r *rig) wantRead(c Conn, sent []byte, want error) {
	r.t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if err == nil {
		err = io.EOF
	}
	if !errors.Is(err, want) {
		r.t.Errorf("after %d of %d bytes reading gave %v, want %v", len(got), len(sent), err, want)
	}
	if sha256.Sum256(got) != sha256.Sum256(sent) {
		r.t.Errorf("the %d bytes read are not the %d that were sent", len(got), len(sent))
	}
}

// wantBroken waits until c is dead, which a reset behind an end of stream shows as.
func (r *rig) wantBroken(c Conn) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if err := peek.WaitBroken(ctx, c); !errors.Is(err, peek.ErrReset) {
		r.t.Errorf("waiting for a reset gave %v", err)
	}
}

// arrived waits until all that was written to c is in the hands of the other end's system.
func (r *rig) arrived(c Conn) {
	r.t.Helper()
	for by := time.Now().Add(time.Minute); time.Now().Before(by); time.Sleep(time.Millisecond) {
		if n, err := peek.Unsent(c); n == 0 && err == nil {
			return
		}
	}
	r.t.Error("what was written has not arrived within a minute")
}

// fill writes to c until there is no more room, and returns how much it was.
func (r *rig) fill(c Conn) (n int) {
	r.t.Helper()
	defer c.SetWriteDeadline(time.Time{})
	chunk := noise(1 << 16)
	for range 1 << 11 {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, err := c.Write(chunk)
		n += m
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && m > 0: // there was room, and a busy machine
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n
		case err != nil:
			r.t.Errorf("filling: %v", err)
			return n
		}
	}
	r.t.Errorf("%d bytes went in though nobody reads", n)
	return n
}

// noise returns n bytes without a pattern, the same for the same n.
func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	src.Read(b) // never fails
	return b
}

// isReset reports whether err tells that a connection was reset.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
