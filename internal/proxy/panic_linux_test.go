package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

// TestLoopPanickingSinkHarmsNobody: whatever the event, everybody else is served and nothing is lost track of.
func TestLoopPanickingSinkHarmsNobody(t *testing.T) {
	for _, kind := range []event.Kind{
		event.ClientWaits, event.ClientServed, event.ClientEnded, event.ClientLeft, event.ClientRefused, event.BackendSuspect,
	} {
		t.Run(string(kind), func(t *testing.T) {
			onLoops(t, func(t *testing.T, loops int) { sinkPanics(t, loops, kind) })
		})
	}
}

func sinkPanics(t *testing.T, loops int, kind event.Kind) {
	var angry atomic.Bool
	v := settle(t, &server{boot: bootTime}, rules{loops: loops, patience: time.Second, sink: func(e event.Event) {
		if e.Kind == kind && angry.Load() {
			panic("a bug")
		}
	}})
	angry.Store(true)
	stays := v.awake()
	provoke(v)
	angry.Store(false)
	v.counts(1, 0)
	if !strings.Contains(v.logs.String(), "a bug") {
		t.Errorf("the fault was not logged: %s", v.logs.String())
	}
	v.served(stays, "not concerned")
	v.die()
	v.served(v.client(), "woken again")
}

// provoke makes a client's every event happen, without taking the first one's connection away.
func provoke(v *village) {
	_, _ = v.attempt("served, ended")
	v.deaf()
	waits := v.client() // suspects, leaves
	until(v.t, "it is started again", func() bool { return v.starts.Load() == 2 })
	hangUp(waits)
	until(v.t, "somebody has left or was served", func() bool { return v.ledger.accounts() >= 2 })
	v.becomes(target.Ready)
	v.fail(errBroken)
	v.deaf()
	_, _ = v.attempt("suspect, refused")
	v.fail(nil)
	until(v.t, "all are accounted for", func() bool { return v.ledger.accounts() >= 3 })
}

// TestLoopFaultsInTheFirstTurnCutOneClientOnly: what a client does on the turn that accepts it is not the door's fault.
func TestLoopFaultsInTheFirstTurnCutOneClientOnly(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		var angry atomic.Bool
		v := settle(t, &server{boot: bootTime}, rules{loops: loops, direct: func(address string) (netip.AddrPort, error) {
			if angry.Load() {
				panic("a bug")
			}
			return direct(address)
		}})
		stays := v.awake()
		for i := range 20 {
			angry.Store(true)
			if _, err := v.attempt("unlucky"); !isReset(err) {
				t.Errorf("client %d saw %v, want a reset", i, err)
			}
			angry.Store(false)
			v.served(v.client(), fmt.Sprint("lucky ", i))
		}
		v.served(stays, "not concerned")
	})
}
