package proxy

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// TestLoopSilentClientsLeaveRoom: those of whom it is not known what they want get half of the places, and the first of them goes
// when one more comes. Whoever says something is served all the while, and leaves the stage.
func TestLoopSilentClientsLeaveRoom(t *testing.T) {
	v := settle(t, &server{boot: bootTime}, rules{loops: 1, clients: 8, gate: gate.New(gate.Options{FirstBytes: time.Minute})})
	first := v.client()
	for range 10 {
		defer v.client().Close()
	}
	_ = first.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(first); !isReset(err) {
		t.Errorf("the first of 11 silent clients got %v, want a reset", err)
	}
	v.ledger.reaches(t, event.ClientRefused, 7) // 11, and places for 4
	v.served(v.client(), "one who knows what he wants")
	v.ran(1, 0)
	for _, e := range v.ledger.of(event.ClientRefused) {
		if r, ok := errors.AsType[*gate.Refusal](e.Err); !ok || r.Gate != gate.Crowd {
			t.Errorf("refused with %v", e.Err)
		}
	}
}
