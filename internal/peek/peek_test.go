package peek

import (
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

	"github.com/rouse-proxy/rouse/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ Peeker  = (*memnet.Conn)(nil)
	_ Watcher = (*memnet.Conn)(nil)
	_ Gauge   = (*memnet.Conn)(nil)
)

// A tcpConn is what the tests need of both kinds of connection.
type tcpConn interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// onEach runs f on a connection of the kernel over IPv4 and over IPv6 and, in a bubble, on one of memnet. far is
// the peer that acts, near the end that looks.
func onEach(t *testing.T, f func(t *testing.T, far, near tcpConn)) {
	for name, addr := range map[string]string{"ipv4": "127.0.0.1:0", "ipv6": "[::1]:0"} {
		t.Run(name, func(t *testing.T) {
			far, near := loopback(t, addr)
			f(t, far, near)
		})
	}
	t.Run("memnet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			far, near := onMemnet(t)
			f(t, far, near)
		})
	})
}

func onMemnet(t *testing.T) (far, near *memnet.Conn) {
	far, near = memnet.Pipe(0)
	t.Cleanup(func() { far.Close(); near.Close() })
	return far, near
}

func loopback(t *testing.T, addr string) (far, near *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
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
	t.Cleanup(func() { d.Close(); a.Close() })
	return d.(*net.TCPConn), a.(*net.TCPConn)
}

// soon bounds a wait for the kernel; it says nothing about how long anything takes.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func say(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, c tcpConn) {
	t.Helper()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

func reset(t *testing.T, c tcpConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFirstShowsTheBytesAndLeavesThem(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		say(t, far, "hello")
		buf := make([]byte, 2)
		for range 2 {
			if n, err := First(near, buf); err != nil || string(buf[:n]) != "he" {
				t.Errorf("First gave %q, %v", buf[:n], err)
			}
		}
		end(t, far)
		if got, err := io.ReadAll(near); err != nil || string(got) != "hello" {
			t.Errorf("reading gave %q, %v, want all that was sent", got, err)
		}
	})
}

func TestFirstWaitsForTheFirstByte(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		got := make(chan string)
		go func() {
			buf := make([]byte, 10)
			n, _ := First(near, buf)
			got <- string(buf[:n])
		}()
		say(t, far, "x")
		if s := <-got; s != "x" {
			t.Errorf("First gave %q", s)
		}
	})
}

func TestFirstTellsHowAConnectionEnds(t *testing.T) {
	buf := make([]byte, 10)
	t.Run("end of stream", func(t *testing.T) {
		onEach(t, func(t *testing.T, far, near tcpConn) {
			end(t, far)
			if n, err := First(near, buf); n != 0 || err != io.EOF {
				t.Errorf("First gave %d, %v, want io.EOF", n, err)
			}
		})
	})
	t.Run("reset", func(t *testing.T) {
		onEach(t, func(t *testing.T, far, near tcpConn) {
			reset(t, far)
			if n, err := First(near, buf); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("First gave %d, %v, want ECONNRESET", n, err)
			}
		})
	})
	t.Run("deadline", func(t *testing.T) {
		onEach(t, func(t *testing.T, _, near tcpConn) {
			near.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if n, err := First(near, buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("First gave %d, %v, want os.ErrDeadlineExceeded", n, err)
			}
		})
	})
	t.Run("closed", func(t *testing.T) {
		onEach(t, func(t *testing.T, _, near tcpConn) {
			near.Close()
			if _, err := First(near, buf); !errors.Is(err, net.ErrClosed) {
				t.Errorf("First gave %v, want net.ErrClosed", err)
			}
		})
	})
	t.Run("no room", func(t *testing.T) {
		onEach(t, func(t *testing.T, _, near tcpConn) {
			if _, err := First(near, nil); err != io.ErrShortBuffer {
				t.Errorf("First gave %v, want io.ErrShortBuffer", err)
			}
		})
	})
}

func TestAConnectionThatCannotBeLookedAtSaysSo(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	_, endedErr := Ended(a)
	_, firstErr := First(a, make([]byte, 1))
	_, deliveredErr := Delivered(a)
	_, unsentErr := Unsent(a)
	for name, err := range map[string]error{
		"First": firstErr, "Ended": endedErr, "Delivered": deliveredErr, "Unsent": unsentErr,
		"WaitGone": WaitGone(t.Context(), a), "WaitBroken": WaitBroken(t.Context(), a),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s gave %v, want errors.ErrUnsupported", name, err)
		}
	}
	if Broken(a) {
		t.Error("Broken is true")
	}
}

func TestUnsentAndDeliveredCountWhatWaitsAndWhatHasArrived(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		sent := flood(t, far)
		unsent, unsentErr := Unsent(far)
		delivered, deliveredErr := Delivered(far)
		if more := int(delivered) + unsent - sent; unsent == 0 || more < 0 || more > 1 || unsentErr != nil || deliveredErr != nil {
			t.Errorf("of %d bytes that nobody reads %d are unsent (%v), %d delivered (%v)",
				sent, unsent, unsentErr, delivered, deliveredErr)
		}
		end(t, far)
		if n, err := io.Copy(io.Discard, near); n != int64(sent) || err != nil {
			t.Errorf("read %d bytes, %v, want %d", n, err, sent)
		}
		for ctx := soon(t); ; time.Sleep(time.Millisecond) { // an acknowledgement makes no event
			n, err := Unsent(far)
			if n == 0 && err == nil {
				break
			}
			if err != nil || ctx.Err() != nil {
				t.Fatalf("after all was read %d bytes are unsent, %v", n, err)
			}
		}
		if n, err := Delivered(far); n < int64(sent) || err != nil {
			t.Errorf("after all was read %d of %d bytes are delivered, %v", n, sent, err)
		}
	})
}

func TestWhatAResetThrewAwayStaysUnsent(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		flood(t, near)
		reset(t, far)
		if err := WaitBroken(soon(t), near); err != ErrReset {
			t.Fatal(err)
		}
		if n, err := Unsent(near); n == 0 || err != nil {
			t.Errorf("%d bytes are unsent, %v", n, err)
		}
	})
}

// flood writes to c until there is no more room, and returns how much it was.
func flood(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	defer c.SetWriteDeadline(time.Time{})
	chunk := make([]byte, 1<<16)
	for range 1 << 10 {
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		m, err := c.Write(chunk)
		n += m
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%d bytes went into a connection that nobody reads", n)
	return n
}

func TestBrokenIsDeathInBothDirectionsOnly(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		say(t, far, "x")
		end(t, far)
		if _, err := io.ReadAll(near); err != nil {
			t.Fatal(err)
		}
		if Broken(near) {
			t.Error("a half-closed connection is broken")
		}
		reset(t, far)
		if err := WaitBroken(soon(t), near); !errors.Is(err, ErrReset) {
			t.Errorf("WaitBroken gave %v, want ErrReset", err)
		}
		if !Broken(near) {
			t.Error("a reset connection is not broken")
		}
		near.Close()
		if !Broken(near) {
			t.Error("a closed connection is not broken")
		}
	})
}

func TestEndedTellsATrueEndOfStreamFromAResetToldElsewhere(t *testing.T) {
	for _, c := range []struct {
		name         string
		ends, resets bool
	}{{"end of stream", true, false}, {"end of stream and reset", true, true}, {"reset", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, far, near tcpConn) {
				say(t, far, "hello")
				if c.ends {
					end(t, far)
				}
				if c.resets {
					reset(t, far)
					if err := WaitBroken(soon(t), near); err != ErrReset {
						t.Fatal(err)
					}
					near.Write([]byte("x")) // takes the reset
				}
				if got, err := io.ReadAll(near); string(got) != "hello" || err != nil {
					t.Fatalf("reading gave %q, %v, want an end of stream behind all bytes", got, err)
				}
				if yes, err := Ended(near); yes != c.ends || err != nil {
					t.Errorf("Ended is %v, %v, want %v", yes, err, c.ends)
				}
			})
		})
	}
}

func TestEndedIsFalseWhileTheStreamGoesOn(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		if yes, err := Ended(near); yes || err != nil {
			t.Errorf("with nothing sent Ended is %v, %v", yes, err)
		}
		say(t, far, "x")
		if _, err := First(near, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if yes, err := Ended(near); yes || err != nil {
			t.Errorf("with a byte queued Ended is %v, %v", yes, err)
		}
		reset(t, far)
		if err := WaitBroken(soon(t), near); err != ErrReset {
			t.Fatal(err)
		}
		io.ReadFull(near, make([]byte, 1))
		if yes, err := Ended(near); yes || err != nil {
			t.Errorf("with a reset pending Ended is %v, %v", yes, err)
		}
	})
}

func TestWaitBrokenLooksPastAnEndOfStream(t *testing.T) {
	onEach(t, func(t *testing.T, far, near tcpConn) {
		end(t, far)
		if err := WaitGone(soon(t), near); err != ErrLeft {
			t.Fatalf("WaitGone gave %v, want ErrLeft", err)
		}
		ctx, cancel := context.WithCancel(soon(t))
		broken := make(chan error)
		go func() { broken <- WaitBroken(ctx, near) }()
		cancel()
		if err := <-broken; err != context.Canceled {
			t.Errorf("WaitBroken gave %v, want the context's error", err)
		}
	})
}
