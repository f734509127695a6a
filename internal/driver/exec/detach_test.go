//go:build linux || darwin

package exec

import "testing"

// TestHookLeftRunningIsOutlastedByTheSameDriver: after a fault of its own, rouse lets go of a hook and goes on with the same
// driver.
func TestHookLeftRunningIsOutlastedByTheSameDriver(t *testing.T) {
	r := newRig(t, "waits", Options{Stop: []string{animal("traces")}})
	r.detach()
	result := r.waiting(func() error { return r.Stop(t.Context(), anOp) })
	if got := r.read("trace"); got != "start begins\n" {
		t.Errorf("trace is %q", got)
	}
	r.touch("go")
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got := r.read("trace"); got != "start begins\nstart ends\nstop \n" {
		t.Errorf("trace is %q", got)
	}
}
