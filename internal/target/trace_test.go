package target

import (
	"testing"

	"github.com/rouse-proxy/rouse/internal/trace"
)

// TestTraceKnowsWhyATargetIsStoppedAtTheEnd: it goes by the words.
func TestTraceKnowsWhyATargetIsStoppedAtTheEnd(t *testing.T) {
	if CauseOrdered != trace.CauseOrdered {
		t.Errorf("the cause is %q, and the rules look for %q", CauseOrdered, trace.CauseOrdered)
	}
	if ErrEnding.Error() != trace.CauseEnding {
		t.Errorf("the cause is %q, and the rules look for %q", ErrEnding, trace.CauseEnding)
	}
}

// TestTraceAllowsWhatTheMachineDoes, and nothing else: in every reachable state of two clients.
func TestTraceAllowsWhatTheMachineDoes(t *testing.T) {
	l := limits{clients: 2, outside: 1, crashes: 1}
	seen, went := map[world]bool{}, map[[2]State]bool{}
	var queue []world
	push := func(w world, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if !seen[w.key()] {
			seen[w.key()] = true
			queue = append(queue, w.key())
		}
	}
	for _, running := range []bool{false, true} {
		push(newWorld(running))
	}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		for _, mv := range w.moves(l) {
			next := w
			err := mv.do(&next)
			push(next, err)
			if next.crashes == w.crashes && next.m.state != w.m.state {
				went[[2]State{w.m.state, next.m.state}] = true
			}
		}
	}
	for from := Unknown; from <= Failed; from++ {
		for to := Unknown; to <= Failed; to++ {
			if does, may := went[[2]State{from, to}], trace.Follows(from.String(), to.String()); does != may {
				t.Errorf("from %v to %v: the machine does it: %v, the trace allows it: %v", from, to, does, may)
			}
		}
	}
}
