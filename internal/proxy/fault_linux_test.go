package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/target"
)

// TestLoopTargetThatDiedIsWokenByTheNextClient: the same client is served then.
func TestLoopTargetThatDiedIsWokenByTheNextClient(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		v.served(v.client(), "first")
		for run := range int32(5) {
			v.die()
			v.served(v.client(), fmt.Sprint("after death ", run))
			v.ran(run+2, 0)
		}
		v.ledger.wants(t, event.BackendSuspect, 5)
	})
}

// TestLoopCrowdOfADeadTarget: many find out at the same time, on all loops, and all are served by one start.
func TestLoopCrowdOfADeadTarget(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		for run := range int32(10) {
			stays := v.awake()
			v.die()
			var clients sync.WaitGroup
			for i := range 20 {
				clients.Go(func() { v.served(v.client(), fmt.Sprint("run ", run, " client ", i)) })
			}
			clients.Wait()
			v.counts(0, 0)
			v.ran(run+2, 0)
			_ = stays.Close()
		}
	})
}

func TestLoopTargetThatDiesUnderItsClientsResetsThem(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{})
	c := v.awake()
	defer c.Close()
	v.die()
	if _, err := io.ReadAll(c); !isReset(err) {
		t.Errorf("the client saw %v, want a reset", err)
	}
}

// TestLoopBackendThatEndsAtOnceIsDoubted: it may be a forwarder whose target has gone.
func TestLoopBackendThatEndsAtOnceIsDoubted(t *testing.T) {
	v := settle(t, &server{boot: bootTime, serve: func(net.Conn) {}}, rules{})
	c := v.client()
	defer c.Close()
	if got, err := io.ReadAll(c); len(got) > 0 || err != nil && !isReset(err) {
		t.Errorf("got %q, %v", got, err)
	}
	_ = c.Close()
	until(t, "the target is asked again", func() bool {
		for _, e := range v.ledger.of(event.StateChanged) {
			if e.From == "ready" && e.To == "unknown" {
				return true
			}
		}
		return false
	})
}

// TestLoopOurOwnFaultIsNotTheTargets: the dial is made again after a rest, and nobody asks the target.
func TestLoopOurOwnFaultIsNotTheTargets(t *testing.T) {
	for _, host := range []string{"", "localhost"} {
		t.Run("by "+host, func(t *testing.T) {
			var faults atomic.Int32
			fault := func() error {
				if faults.Add(1) > 3 {
					return nil
				}
				return fmt.Errorf("%w: no descriptors", probe.ErrCannotAsk)
			}
			v := settle(t, &server{boot: bootTime}, rules{host: host, direct: func(address string) (netip.AddrPort, error) {
				if host != "" {
					return netip.AddrPort{}, nil
				}
				to, _ := direct(address)
				return to, fault()
			}, dial: func(ctx context.Context, address string) (net.Conn, error) {
				if err := fault(); err != nil {
					return nil, err
				}
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			}})
			stays := v.awake()
			v.served(v.client(), "patience")
			_ = stays.Close()
			if n := faults.Load(); n < 4 {
				t.Errorf("%d dials, want 3 that fail and one more", n)
			}
			for _, e := range v.ledger.of(event.StateChanged) {
				if e.From == "ready" {
					t.Errorf("the target was suspected: %+v", e)
				}
			}
		})
	}
}

// believer finds the target ready, whatever it is.
type believer struct{ asked *atomic.Int32 }

func (b believer) Wait(context.Context, string) (net.Conn, error) { return nil, nil }
func (b believer) Once(context.Context, string) (net.Conn, error) {
	b.asked.Add(1)
	return nil, nil
}

// TestLoopProbeAndDialThatDisagreeDoNotSpin: the probe says ready and the backend refuses, until patience ends.
func TestLoopProbeAndDialThatDisagreeDoNotSpin(t *testing.T) {
	var asked atomic.Int32
	v := settle(t, &server{absent: true}, rules{patience: time.Second, prober: believer{&asked}})
	if _, err := talk(v.client(), "request"); !isReset(err) {
		t.Errorf("the client saw %v, want a reset", err)
	}
	if n := asked.Load(); n < 1 || n > 20 {
		t.Errorf("the target was asked %d times in a second", n)
	}
	refused := v.ledger.of(event.ClientRefused)
	if len(refused) != 1 || !errors.Is(refused[0].Err, errPatience) {
		t.Errorf("refused: %v", refused)
	}
}

// TestLoopProofIsNoConnectionOfTCP: what proved the target ready cannot be carried; the client gets its own.
func TestLoopProofIsNoConnectionOfTCP(t *testing.T) {
	prober, err := probe.New(probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := settle(t, &server{boot: bootTime}, rules{prober: wrapper{prober}})
	v.served(v.client(), "over another connection")
	v.ran(1, 0)
}

// wrapper hides what a connection is.
type wrapper struct{ target.Prober }

func (w wrapper) Wait(ctx context.Context, address string) (net.Conn, error) {
	conn, err := w.Prober.Wait(ctx, address)
	return struct{ net.Conn }{conn}, err
}
