package proxy

import (
	"testing"

	"github.com/rouse-proxy/rouse/internal/loop"
)

// TestWindowRecoversFromALoss: one lost SYN must not keep a crowd of thousands one behind the other.
func TestWindowRecoversFromALoss(t *testing.T) {
	group, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	m := &doorman{door: &door{doormen: make([]*doorman, 1)}, loop: group.Loops()[0]}
	r := newRelease(m, &Lane{})
	r.shrunk = -dialBeat // the clock stands still here
	r.lost(&guest{wait: &wait{turn: true}})
	if r.window != 1 {
		t.Fatalf("after a loss at 1 the window is %d", r.window)
	}
	for range 3 {
		r.grow()
	}
	if r.window < 2 || r.window > 3 {
		t.Errorf("3 quick connections after that loss: the window is %d, want it to grow by one each time it was full", r.window)
	}
	for range 10_000 {
		r.grow()
	}
	if r.window != nearTurns {
		t.Errorf("10,000 quick connections after one loss: the window is %d, want %d", r.window, nearTurns)
	}
}
