package target

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A guestbook is a visitor who goes when it is told to, after a while.
type guestbook struct {
	hold    Hold
	evicted atomic.Bool
	slow    time.Duration
}

// watchful is a machineRoom whose stop action begins beside nobody.
type watchful struct {
	*machineRoom
	t *testing.T
	s **stay
}

func (w watchful) Stop(ctx context.Context, op driver.Op) error {
	if n := (*w.s).lobby.count(); n != 0 {
		w.t.Errorf("the stop action has begun beside %d visitors", n)
	}
	return w.machineRoom.Stop(ctx, op)
}

// visit tries to come in, and leaves when it is told to.
func (g *guestbook) visit(s *stay) bool {
	return s.TryVisit(&g.hold, func() {
		g.evicted.Store(true)
		time.Sleep(g.slow)
		g.hold.Release()
	})
}

// A visitor neither keeps the target awake nor begins its cooldown anew, however often it comes and however long it stays.
func TestAVisitorKeepsNothingAwake(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		var s *stay
		s = m.open(func(o *Options) { o.Driver = watchful{m, t, &s} })
		defer s.close()
		var early guestbook
		if early.visit(s) {
			t.Fatal("it visits a target that sleeps")
		}
		s.acquire().Release()
		for range 29 { // comes every minute
			var g guestbook
			if !g.visit(s) || g.hold.Address() != "vm:80" || g.hold.Epoch() != 1 {
				t.Fatalf("it was not let in: %+v", s.Status())
			}
			g.hold.Release()
			time.Sleep(time.Minute)
		}
		stays := guestbook{slow: time.Second}
		if !stays.visit(s) {
			t.Fatal("it was not let in")
		}
		if st := s.Status(); st.Held != 0 || st.Visitors != 1 || st.StopAt.IsZero() {
			t.Errorf("%+v, want a cooldown that runs beside a visitor", st)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		s.expect(Stopped, 1, 1)
		if !stays.evicted.Load() {
			t.Error("the visitor was not told to go")
		}
	})
}

// One that does not go does not keep the target awake either.
func TestAVisitorWhoDoesNotGoIsNotWaitedForForever(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		deaf := guestbook{slow: time.Hour}
		if !deaf.visit(s) {
			t.Fatal("it was not let in")
		}
		time.Sleep(30*time.Minute + evictTimeout + 5*time.Second)
		s.expect(Stopped, 1, 1)
		time.Sleep(time.Hour)
	})
}

// A visitor that has stayed for long enough becomes a client like others.
func TestAVisitorIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		var g guestbook
		if !g.visit(s) || !g.hold.Count() || g.hold.Visits() {
			t.Fatal("it was not counted")
		}
		if st := s.Status(); st.Held != 1 || st.Visitors != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Hour)
		s.expect(Ready, 1, 0)
		g.hold.Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
		if g.evicted.Load() {
			t.Error("it was told to go, and was no visitor any more")
		}
	})
}

// A hold of one who may not wake becomes a visit, once others have woken the target.
func TestAHoldBecomesAVisit(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		first := ask(s.Target, Ordinary, nil)
		meek := ask(s.Target, Meek, errStranger)
		time.Sleep(time.Minute)
		first.expect(t, nil)
		meek.expect(t, nil)
		if !meek.hold.Visit(func() { meek.hold.Release() }) || s.Status().Held != 1 {
			t.Fatalf("it does not visit: %+v", s.Status())
		}
		first.hold.Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}

// A visitor who gets no answer is no reason to wake the target again.
func TestAVisitorsDoubtIsThatOfOneWhoMayNotWake(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		c := &caller{why: errStranger, answer: make(chan error, 1)}
		if !s.TryVisit(&c.hold, func() {}) {
			t.Fatal("it was not let in")
		}
		m.power(false)
		c.hold.AskAgain(c)
		time.Sleep(time.Minute)
		if st := s.Status(); st.Visitors != 0 || st.Held != 0 {
			t.Errorf("%+v", st)
		}
		c.expect(t, ErrAsleep)
		s.expect(Unknown, 1, 0)
	})
}

// Visitors and clients come and go while cooldowns end: no stop action runs beside a visitor, and every client is served.
func TestVisitorsAndStopsStorm(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime, m.stopTime = 50*time.Millisecond, 20*time.Millisecond
		var s *stay
		s = m.open(func(o *Options) { o.Cooldown, o.Driver = 30*time.Millisecond, watchful{m, t, &s} })
		defer s.close()
		done := make(chan struct{})
		for i := range 8 {
			go func() {
				defer func() { done <- struct{}{} }()
				for n := range 200 {
					g := &guestbook{}
					gone := make(chan struct{})
					if s.TryVisit(&g.hold, func() { close(gone) }) {
						select {
						case <-gone:
						case <-time.After(time.Duration(n*(i+1)%40) * time.Millisecond):
						}
						g.hold.Release()
					}
					time.Sleep(time.Duration((n+i)%7) * time.Millisecond)
				}
			}()
		}
		for range 60 {
			s.acquire().Release()
			time.Sleep(70 * time.Millisecond)
		}
		for range 8 {
			<-done
		}
		time.Sleep(time.Second)
		if m.stops.Load() == 0 {
			t.Error("it was never stopped: the test proves nothing")
		}
	})
}
