package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/memnet"
)

func TestManyMegabytesPassBothWaysUnchanged(t *testing.T) {
	onEach(t, func(r *rig) {
		up, down := noise(6<<20), noise(5<<20+77)
		sent := make(chan struct{}, 2)
		go r.chop(r.client, up, sent)
		go r.chop(r.backend, down, sent)
		read := make(chan struct{})
		go func() {
			defer close(read)
			r.wantRead(r.backend, up, io.EOF)
		}()
		r.wantRead(r.client, down, io.EOF)
		<-read
		<-sent
		<-sent
		r.wantEnd(EndClosed)
	})
}

// chop writes b in chunks of random sizes and ends the stream.
func (r *rig) chop(c Conn, b []byte, done chan<- struct{}) {
	rnd := rand.New(rand.NewPCG(1, uint64(len(b))))
	for len(b) > 0 {
		n := min(1+rnd.IntN(100_000), len(b))
		r.write(c, b[:n])
		b = b[n:]
	}
	r.closeWrite(c)
	done <- struct{}{}
}

func TestBytesPassOneAtATime(t *testing.T) {
	onEach(t, func(r *rig) {
		buf := make([]byte, 1)
		for i := range 500 {
			for _, s := range []side{theClient, theBackend} {
				it, other := r.of(s)
				r.write(it, []byte{byte(i)})
				if _, err := io.ReadFull(other, buf); err != nil || buf[0] != byte(i) {
					t.Fatalf("byte %d arrived as %d, %v", byte(i), buf[0], err)
				}
			}
		}
	})
}

func TestAConnectionWithoutAByteIsAccountedAsSuch(t *testing.T) {
	onEach(t, func(r *rig) {
		r.closeWrite(r.client)
		r.wantRead(r.backend, nil, io.EOF)
		r.closeWrite(r.backend)
		r.wantRead(r.client, nil, io.EOF)
		r.wantEnd(EndClosed)
		if r.res.Sent != 0 || r.res.Received != 0 {
			t.Errorf("the account says %d and %d bytes", r.res.Sent, r.res.Received)
		}
	})
}

func TestAReaderThatDoesNotReadHoldsTheWriterBack(t *testing.T) {
	for _, s := range []side{theClient, theBackend} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			onEach(t, func(r *rig) {
				it, other := r.of(s)
				sent := r.fill(it)
				// The kernel's share is four socket buffers, by default of at most 6 MB each.
				if sent > 64<<20 {
					t.Errorf("%d bytes were taken though nobody reads", sent)
				}
				r.closeWrite(it)
				if n, err := io.Copy(io.Discard, other); n != int64(sent) || err != nil {
					t.Errorf("%d of %d bytes arrived, then %v", n, sent, err)
				}
				r.closeWrite(other)
				r.wantEnd(EndClosed)
			})
		})
	}
}

func TestAPausedReaderIsNotCutOff(t *testing.T) {
	// More than all buffers take, and less: then both ends of stream have reached the relay while bytes wait in it.
	for _, size := range []int{20_000, 3500} {
		onMemnet(t, Options{}, 1000, func(r *rig) {
			sent := noise(size)
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				r.write(r.backend, sent)
				r.closeWrite(r.backend)
			}()
			r.closeWrite(r.client)
			time.Sleep(2 * time.Hour)
			r.wantRead(r.client, sent, io.EOF)
			<-wrote
			r.wantEnd(EndClosed)
		})
	}
}

func TestAnEndOfTheContextResetsBothSides(t *testing.T) {
	onEach(t, func(r *rig) {
		r.write(r.client, []byte("x"))
		if _, err := io.ReadFull(r.backend, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		r.cancel()
		r.wantRead(r.client, nil, syscall.ECONNRESET)
		r.wantRead(r.backend, nil, syscall.ECONNRESET)
		r.wantEnd(EndCanceled)
		if !errors.Is(r.err, context.Canceled) {
			t.Errorf("the error is %v, want the context's", r.err)
		}
	})
}

func TestAnEndOfTheContextCutsAWriteThatWaits(t *testing.T) {
	onEach(t, func(r *rig) {
		r.fill(r.client)
		r.fill(r.backend)
		r.cancel()
		r.wantEnd(EndCanceled)
	})
}

func TestTheContextsCauseIsTheError(t *testing.T) {
	for _, e := range engines {
		a, near := loopback(t)
		far, b := loopback(t)
		defer a.Close()
		defer b.Close()
		cause := errors.New("the drain is over")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := e(ctx, near, far, Options{}); !errors.Is(err, cause) {
			t.Errorf("the error is %v, want %v", err, cause)
		}
	}
}

func TestADeadlineLeftOnAConnectionIsCleared(t *testing.T) {
	client, near := loopback(t)
	far, backend := loopback(t)
	near.SetDeadline(time.Unix(1, 0))
	far.SetDeadline(time.Unix(1, 0))
	r := &rig{t: t, client: client, backend: backend}
	r.start(Run, near, far, Options{})
	defer r.stop()
	r.write(client, []byte("x"))
	r.closeWrite(client)
	r.wantRead(backend, []byte("x"), io.EOF)
}

func TestBothConnectionsAreClosedWhenRunReturns(t *testing.T) {
	for _, end := range []func(a, b *net.TCPConn){
		func(a, b *net.TCPConn) { a.CloseWrite(); b.CloseWrite() },
		func(a, _ *net.TCPConn) { a.SetLinger(0); a.Close() },
	} {
		a, near := loopback(t)
		far, b := loopback(t)
		end(a, b)
		Run(t.Context(), near, far, Options{})
		for _, c := range []net.Conn{near, far} {
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closing it again gave %v, want net.ErrClosed", err)
			}
		}
		a.Close()
		b.Close()
	}
}

// A blind connection cannot be looked at, as on a system for which package peek can do nothing.
type blind struct{ Conn }

func onBlind(t *testing.T, f func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		client, near := memnet.Pipe(1000)
		far, backend := memnet.Pipe(1000)
		r := &rig{t: t, inside: true, client: client, backend: backend}
		r.start(Run, blind{near}, blind{far}, Options{})
		defer r.stop()
		f(r)
	})
}

func TestConnectionsThatCannotBeLookedAtAreRelayedToo(t *testing.T) {
	onBlind(t, func(r *rig) { halfClose(r, theClient, noise(10_000), noise(20_000)) })
	onBlind(t, func(r *rig) {
		sent := noise(3000)
		r.write(r.backend, sent)
		r.arrived(r.backend)
		r.reset(r.backend)
		r.wantRead(r.client, sent, syscall.ECONNRESET)
		r.wantEndBy(time.Now().Add(defaultStall), EndBackendReset)
	})
	onBlind(t, func(r *rig) {
		r.write(r.backend, noise(3500)) // its copy is busy: the other one meets the reset, by writing
		r.arrived(r.backend)
		r.reset(r.backend)
		r.write(r.client, []byte("x"))
		r.wantEndBy(time.Now().Add(defaultStall+time.Second), EndBackendReset)
	})
}

func BenchmarkThroughput(b *testing.B) { benchmarkThroughput(b, Run) }

func benchmarkThroughput(b *testing.B, e engine) {
	client, near := loopback(b)
	far, backend := loopback(b)
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_, _ = e(b.Context(), near, far, Options{})
	}()
	const chunk = 1 << 20
	sent, buf := make([]byte, chunk), make([]byte, chunk)
	b.SetBytes(chunk)
	wrote := make(chan error, 1)
	for b.Loop() {
		go func() { _, err := client.Write(sent); wrote <- err }()
		if _, err := io.ReadFull(backend, buf); err != nil {
			b.Fatal(err)
		}
		if err := <-wrote; err != nil {
			b.Fatal(err)
		}
	}
	client.Close()
	backend.Close()
	<-ran
}
