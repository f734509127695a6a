package target

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestEveryReachableState visits every state that three clients, an outsider, a
// crash and every outcome of every operation can lead to.
func TestEveryReachableState(t *testing.T) {
	l := limits{clients: 3, outside: 2, crashes: 2}
	type visit struct {
		w    world
		path string
	}
	var queue []visit
	seen := map[world]bool{}
	push := func(w world, err error, path string) {
		if err == nil && seen[w.key()] {
			return
		}
		if err == nil {
			err = w.calm()
		}
		if err == nil {
			err = w.answered()
		}
		if err != nil {
			t.Fatalf("%v\nafter:%s", err, path)
		}
		seen[w.key()] = true
		queue = append(queue, visit{w.key(), path})
	}
	for _, running := range []bool{false, true} {
		w, err := newWorld(running)
		push(w, err, "")
	}
	transitions := 0
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, mv := range at.w.moves(l) {
			transitions++
			next := at.w
			err := mv.do(&next)
			push(next, err, at.path+"\n  "+mv.name)
		}
	}
	t.Logf("states visited: %d, transitions: %d (three clients, two outside switches, two crashes; to the end, no depth limit)", len(seen), transitions)
	if len(seen) < 1000 {
		t.Errorf("only %d states visited: the search is broken", len(seen))
	}
}

// TestRandomLives plays long random lives with many clients and many crashes.
func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, err := newWorld(rapid.Bool().Draw(t, "running"))
		l := limits{clients: rapid.IntRange(1, 8).Draw(t, "clients"), outside: 20, crashes: 20}
		var path strings.Builder
		for range rapid.IntRange(1, 120).Draw(t, "length") {
			if err != nil {
				break
			}
			moves := w.moves(l)
			mv := moves[rapid.IntRange(0, len(moves)-1).Draw(t, "move")]
			path.WriteString("\n  " + mv.name)
			err = mv.do(&w)
		}
		if err == nil {
			err = w.calm()
		}
		if err != nil {
			t.Fatalf("%v\nafter:%s", err, path.String())
		}
	})
}

// FuzzMachine lets the fuzzer choose the moves.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3})
	f.Add([]byte{0, 9, 0, 9, 3, 3, 9, 9, 4, 9})
	f.Add([]byte{0, 12, 0, 12, 4, 12, 11, 0, 12, 12, 3, 10, 2, 2})
	f.Fuzz(func(t *testing.T, choices []byte) {
		w, err := newWorld(len(choices)%2 == 1)
		for _, c := range choices {
			if err != nil {
				break
			}
			moves := w.moves(limits{clients: 4, outside: 8, crashes: 8})
			err = moves[int(c)%len(moves)].do(&w)
		}
		if err == nil {
			err = w.calm()
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}
