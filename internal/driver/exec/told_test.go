//go:build unix

package exec

import (
	"strings"
	"testing"
)

// TestFaultOfAListenerHarmsNoHook: the ends of questions are told on goroutines that nobody else looks after.
func TestFaultOfAListenerHarmsNoHook(t *testing.T) {
	r := newRig(t, "address-good", Options{Status: []string{animal("nothing")}, Told: func(HookRun) { panic("broken") }})
	if address, err := r.Start(t.Context(), anOp); err != nil || address != "192.0.2.7:8443" {
		t.Errorf("start is %q, %v", address, err)
	}
	if running, err := (reporting{r.Driver}).Report(t.Context(), anOp); err != nil || !running {
		t.Errorf("it runs: %v, %v", running, err)
	}
	if log := r.log.String(); !strings.Contains(log, "a fault of rouse itself has lost an event") {
		t.Errorf("log is\n%s", log)
	}
}
