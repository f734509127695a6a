package target

import (
	"errors"
	"testing"
	"time"
)

func TestAPersonStopsWhatNobodyUses(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.MinUptime = time.Hour })
		defer s.close()
		time.Sleep(time.Second)                     // it is asked at the start
		if err := s.Stop(t.Context()); err != nil { // it is down
			t.Fatal(err)
		}
		h := s.acquire()
		use, ok := errors.AsType[*InUse](s.Stop(t.Context()))
		if !ok || use.Held != 1 || use.Waiting != 0 {
			t.Fatalf("a target that is held: %+v", use)
		}
		h.Release()
		var g guestbook
		if !g.visit(s) {
			t.Fatal("no visit")
		}
		if err := s.Stop(t.Context()); err != nil { // in the moment of the release, and beside a visitor
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.expect(Stopped, 1, 1)
		if !g.evicted.Load() {
			t.Error("the visitor was not told to go")
		}
		s.expect(Stopped, 1, 1)
	})
}

func TestAPersonDoesNotStopWhatStarts(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		c := ask(s.Target, Ordinary, nil)
		time.Sleep(time.Second)
		if err := s.Stop(t.Context()); err == nil {
			t.Error("a start was stopped")
		}
		time.Sleep(time.Minute)
		c.expect(t, nil)
		c.hold.Release()
		s.close()
		if err := s.Stop(t.Context()); !errors.Is(err, ErrEnding) {
			t.Errorf("of a target that has ended: %v", err)
		}
	})
}
