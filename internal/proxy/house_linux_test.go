package proxy

import (
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/loop"
)

func TestLoopFullHouseWaitsOutside(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops, clients: 2})
		first, second := v.awake(), v.awake()
		for range 10 {
			third := v.client()
			until(t, "the house is full", func() bool { return strings.Contains(v.logs.String(), "at the limit of clients") })
			v.counts(2, 0)
			_ = first.Close()
			v.chat(third, "in at last")
			first, second = second, third
		}
		_, _ = first.Close(), second.Close()
		v.counts(0, 0)
		v.ledger.wants(t, event.ClientServed, 12)
	})
}

// TestLoopQueueOutsideIsServed: many more clients than the house holds.
func TestLoopQueueOutsideIsServed(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops, clients: 2})
		done := make(chan struct{}, 50)
		for range 50 {
			c := v.client()
			go func() { v.served(c, "one of many"); done <- struct{}{} }()
		}
		for range 50 {
			<-done
		}
		v.ledger.reaches(t, event.ClientEnded, 50)
	})
}

// spend takes all descriptors that the process may have, but for some. What it returns gives them back.
func spend(t *testing.T, but int) (giveBack func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	low := unix.Rlimit{Cur: 512, Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	for range but {
		_ = taken[len(taken)-1].Close()
		taken = taken[:len(taken)-1]
	}
	return func() {
		for _, f := range taken {
			_ = f.Close()
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}

// TestLoopAcceptErrorsHealWithoutSpinning: no descriptor is left for who comes; those who are there do not notice.
func TestLoopAcceptErrorsHealWithoutSpinning(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		stays := v.awake()
		giveBack := spend(t, 1)
		c := v.client()
		until(t, "every loop that has tried makes long pauses", func() bool {
			longest := time.Duration(0)
			for _, pause := range v.pauses() {
				longest = max(longest, pause)
			}
			return longest >= 16*firstPause
		})
		v.chat(stays, "not concerned")
		if lines := strings.Count(v.logs.String(), "cannot accept"); lines != 1 {
			t.Errorf("%d log lines about one trouble", lines)
		}
		giveBack()
		v.served(c, "patience")
		v.served(stays, "still there")
		v.ledger.wants(t, event.ClientServed, 2)
	})
}

// pauses are those that the doormen make.
func (v *village) pauses() (all []time.Duration) {
	v.t.Helper()
	v.onDoormen(func(m *doorman) { all = append(all, m.pause) })
	return all
}

// onDoormen calls f with each, on its loop, one after the other.
func (v *village) onDoormen(f func(*doorman)) {
	for _, l := range v.group.Loops() {
		done := make(chan struct{})
		l.Post(call(func() {
			defer close(done)
			l.Each(func(h loop.Handler) {
				if m, ok := h.(*doorman); ok {
					f(m)
				}
			})
		}))
		<-done
	}
}

// TestLoopNoDescriptorForTheBackend: that is our own fault, and not the target's.
func TestLoopNoDescriptorForTheBackend(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{})
	stays := v.awake()
	giveBack := spend(t, 2) // the client's two ends
	c := v.client()
	v.ledger.reaches(t, event.BackendSuspect, 1)
	giveBack()
	v.served(c, "patience")
	v.served(stays, "still there")
	for _, e := range v.ledger.of(event.StateChanged) {
		if e.From == "ready" {
			t.Errorf("the target was suspected: %+v", e)
		}
	}
}

// TestLoopNoDescriptorForTheProof: the connection that proved the target ready cannot be taken over, and is not kept.
func TestLoopNoDescriptorForTheProof(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what is forgotten
	var giveBack func()
	v := settle(t, &server{boot: bootTime}, rules{wrap: func(w Waker) Waker {
		return leaver{w, func() { giveBack = spend(t, 0) }}
	}})
	c := v.client()
	v.ledger.reaches(t, event.ClientServed, 1) // with the descriptor that it has set free
	giveBack()
	v.chat(c, "over its own connection")
	until(t, "the server has one client", func() bool { return v.server.live.Load() == 1 })
	v.served(c, "and no more")
}
