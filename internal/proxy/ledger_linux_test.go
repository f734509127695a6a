package proxy

import (
	"slices"
	"sync"
	"testing"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A ledger keeps all events.
type ledger struct {
	mu  sync.Mutex // guards all
	all []event.Event
}

func (l *ledger) note(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

// forget drops what is known. No client may be there.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

// of returns the events of a kind, in order.
func (l *ledger) of(kind event.Kind) []event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.all), func(e event.Event) bool { return e.Kind != kind })
}

func (l *ledger) count(kind event.Kind) int { return len(l.of(kind)) }

// reaches waits until so many events of a kind have come.
func (l *ledger) reaches(t testing.TB, kind event.Kind, n int) {
	t.Helper()
	until(t, "enough events: "+string(kind), func() bool { return l.count(kind) >= n })
}

// wants checks how many events of a kind there were.
func (l *ledger) wants(t testing.TB, kind event.Kind, n int) {
	t.Helper()
	if got := l.count(kind); got != n {
		t.Errorf("%d times %q, want %d", got, kind, n)
	}
}

// audit checks that every client has ended in exactly one way. An address may be used by one client after another.
func (l *ledger) audit(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	connected, known, open := map[string]int{}, map[string]int{}, 0
	for _, e := range l.all {
		if e.Elapsed < 0 {
			t.Errorf("%q after %v", e.Kind, e.Elapsed)
		}
		switch e.Kind {
		case event.ClientServed:
			connected[e.Client]++
			open++
		case event.ClientEnded:
			connected[e.Client]--
			open--
			known[e.Client]++
		case event.ClientLeft, event.ClientRefused:
			known[e.Client]++
		}
		if connected[e.Client] < 0 || connected[e.Client] > 1 {
			t.Errorf("client %s: %q out of turn", e.Client, e.Kind)
		}
	}
	if open != 0 {
		t.Errorf("%d clients were connected and have not ended", open)
	}
}

// accounts returns how many clients were served, refused, or have left before.
func (l *ledger) accounts() int {
	return l.count(event.ClientEnded) + l.count(event.ClientRefused) + l.count(event.ClientLeft)
}
