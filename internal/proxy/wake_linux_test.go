package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

const bootTime = 30 * time.Millisecond

// onLoops runs f as a subtest with one loop, and with two.
func onLoops(t *testing.T, f func(t *testing.T, loops int)) {
	t.Helper()
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n, " loops"), func(t *testing.T) { f(t, n) })
	}
}

func TestLoopAsleepIsWokenAndServedByteForByte(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops, cooldown: 50 * time.Millisecond})
		v.served(v.client(), strings.Repeat("early bytes ", 100_000))
		v.becomes(target.Stopped)
		v.ran(1, 1)
		v.ledger.wants(t, event.ClientWaits, 1)
		v.ledger.wants(t, event.ClientEnded, 1)
	})
}

func TestLoopManyClientsOneStart(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		var clients sync.WaitGroup
		for i := range 200 {
			clients.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond / 2) // before, while and after it gets ready
				v.served(v.client(), fmt.Sprint("client ", i))
			})
		}
		clients.Wait()
		v.counts(0, 0)
		v.ran(1, 0)
		v.ledger.wants(t, event.ClientEnded, 200)
		v.ledger.wants(t, event.BackendSuspect, 0)
	})
}

func TestLoopServerThatSpeaksFirst(t *testing.T) {
	v := settle(t, &server{boot: bootTime, serve: func(c net.Conn) { _, _ = io.WriteString(c, "220 hello"); repeat(c) }}, rules{})
	for range 3 { // over the probe's connection, then over their own
		c := v.client()
		hello := make([]byte, 9)
		if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "220 hello" {
			t.Errorf("read %q, %v", hello, err)
		}
		v.served(c, "EHLO")
	}
}

func TestLoopForwarderThatAcceptsAndClosesIsNotBelieved(t *testing.T) {
	v := settle(t, &server{boot: 3 * bootTime, forwarder: true}, rules{settle: 20 * time.Millisecond})
	var clients sync.WaitGroup
	for range 5 {
		clients.Go(func() { v.served(v.client(), "not lost") })
	}
	clients.Wait()
	v.ran(1, 0)
}

func TestLoopArriveWhileStopping(t *testing.T) {
	v := settle(t, &server{boot: bootTime, stopTime: 100 * time.Millisecond}, rules{cooldown: 50 * time.Millisecond})
	v.served(v.client(), "first")
	v.enters(target.Stopping)
	v.served(v.client(), "second")
	if n := v.starts.Load(); n != 2 {
		t.Errorf("%d starts, want 2", n)
	}
}

func TestLoopConnectedClientKeepsItAwake(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{cooldown: 50 * time.Millisecond})
	stays := v.awake()
	for range 5 { // each begins a cooldown that is not to be had
		v.served(v.client(), "visits")
		time.Sleep(30 * time.Millisecond)
	}
	v.ran(1, 0)
	v.served(stays, "still there")
	v.becomes(target.Stopped)
	v.ran(1, 1)
}

func TestLoopFailedWakeEndsInReset(t *testing.T) {
	for name, s := range map[string]*server{
		"the start fails":     {startErr: errBroken},
		"nobody ever listens": {absent: true},
	} {
		t.Run(name, func(t *testing.T) {
			v := settle(t, s, rules{startTimeout: 200 * time.Millisecond})
			var clients sync.WaitGroup
			for range 5 {
				clients.Go(func() {
					if got, err := talk(v.client(), "request"); !isReset(err) || got != "" {
						t.Errorf("the client saw %q, %v; want a reset", got, err)
					}
				})
			}
			clients.Wait()
			v.ledger.wants(t, event.ClientRefused, 5)
			s.fail(nil)
		})
	}
}

// TestLoopPatienceEnds: a target that takes too long for a client is still woken.
func TestLoopPatienceEnds(t *testing.T) {
	v := settle(t, &server{boot: 500 * time.Millisecond}, rules{patience: 50 * time.Millisecond})
	if _, err := talk(v.client(), "hurry"); !isReset(err) {
		t.Errorf("the client saw %v, want a reset", err)
	}
	refused := v.ledger.of(event.ClientRefused)
	if len(refused) != 1 || !errors.Is(refused[0].Err, errPatience) {
		t.Errorf("refused: %v", refused)
	}
	v.counts(0, 0)
	v.becomes(target.Ready)
}

// isReset knows a reset that was told to the reader, to the writer, or to who wants to end the stream.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ENOTCONN)
}

func TestLoopEveryClientIsAccountedOnce(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{})
	v.served(v.client(), "0123456789")
	gone := v.client()
	_ = gone.Close()
	v.ledger.reaches(t, event.ClientEnded, 1)
	until(t, "both are accounted for", func() bool { return v.ledger.accounts() == 2 })
	first := v.ledger.of(event.ClientEnded)[0]
	if first.Sent != 10 || first.Received != 10 || first.Cause != "closed" {
		t.Errorf("account: %+v", first)
	}
}

// TestLoopWakesLeaveNothingBehind: after many lives of a target there are as many descriptors, goroutines and bytes of memory as
// after a few.
func TestLoopWakesLeaveNothingBehind(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: time.Millisecond}, rules{loops: loops, cooldown: time.Millisecond})
		runs := int32(0)
		live := func(n int) (descriptors, goroutines int, bytes uint64) {
			for range n {
				v.served(v.client(), "one of many")
				runs++
				v.becomes(target.Stopped)
				v.ran(runs, runs)
			}
			until(t, "the server has closed its side", func() bool { return v.server.live.Load() == 0 })
			until(t, "all are accounted for", func() bool { return v.ledger.accounts() == n })
			v.ledger.forget()
			runtime.GC()
			runtime.GC() // what has finalizers goes in the second round
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			return openFDs(t), runtime.NumGoroutine(), mem.HeapAlloc
		}
		fds, goroutines, bytes := live(20)
		fdsNow, goroutinesNow, bytesNow := live(150)
		if fdsNow > fds || goroutinesNow > goroutines+2 || bytesNow > bytes+1<<20 {
			t.Errorf("%d descriptors, %d goroutines, %d bytes after a few wakes; %d, %d, %d after many",
				fds, goroutines, bytes, fdsNow, goroutinesNow, bytesNow)
		}
	})
}
