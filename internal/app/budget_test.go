package app

import (
	"testing"

	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/probe"
)

// TestNameIsBudgetedAtWhatADialMayTake: it may stand for many addresses, which are tried at the same time, so fewer clients
// fit into the same limit of descriptors.
func TestNameIsBudgetedAtWhatADialMayTake(t *testing.T) {
	room := map[string]int{}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		cfg := plan(t, freeAddr(t))
		cfg.Targets[0].Backend.Host = host
		a, err := New(Options{Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		room[host] = a.slots.Cap()
		if each := a.perClient(); host == "localhost" && each != 1+probe.DialDescriptors || each < gate.PerClient {
			t.Errorf("%s: a client is budgeted at %d", host, each)
		}
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}
	if room["localhost"] > room["127.0.0.1"] {
		t.Errorf("there is room for %v clients", room)
	}
}
