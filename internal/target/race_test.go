package target

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

func TestR1LastOutFirstInBeforeTheTimer(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute - 1)
		h := s.acquire()
		time.Sleep(time.Hour)
		s.expect(Ready, 1, 0)
		h.Release()
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestR1LastOutFirstInAfterTheTimer(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 1)
		s.expect(Stopping, 1, 1)
		s.acquire().Release()
		s.expect(Ready, 2, 1)
	})
}

func TestR2ArriveWhileStoppingWaitsAndIsServed(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 2*time.Second)
		s.expect(Stopping, 1, 1)
		began := time.Now()
		s.acquire().Release()
		if waited := time.Since(began); waited != 43*time.Second { // 3 s of the stop, 1 s of start action, 39 s of boot
			t.Errorf("waited %v, want 43s", waited)
		}
		s.expect(Ready, 2, 1)
	})
}

func TestR3ArriveWhileStartFails(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(n int) error {
			if n == 1 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		if _, err := s.Acquire(t.Context(), "first"); !errors.Is(err, errBroken) {
			t.Fatalf("first client: %v, want the start's error", err)
		}
		s.acquire().Release() // arrives during the cleanup, waits through the backoff
		s.expect(Ready, 2, 1)
	})
}

func TestR3ManyFailuresRefuseAtOnceAndHeal(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(n int) error {
			if n <= patience+1 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		for n := range patience + 1 {
			if _, err := s.Acquire(t.Context(), "early"); !errors.Is(err, errBroken) {
				t.Fatalf("client %d: %v, want the start's error", n, err)
			}
		}
		time.Sleep(5 * time.Second) // the cleanup
		s.expect(Failed, patience+1, patience+1)
		began := time.Now()
		if _, err := s.Acquire(t.Context(), "late"); !errors.Is(err, errBroken) || time.Since(began) > 0 {
			t.Fatalf("a client in a long backoff got %v after %v, want the start's error at once", err, time.Since(began))
		}
		time.Sleep(time.Minute) // the limit heals
		s.acquire().Release()
	})
}

func TestR4StartOkNeverReady(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.deaf.Store(true)
		s := m.open()
		defer s.close()
		began := time.Now()
		_, err := s.Acquire(t.Context(), "client")
		if !errors.Is(err, errSilent) || time.Since(began) != 5*time.Minute {
			t.Fatalf("told %v after %v, want silence after the start timeout", err, time.Since(began))
		}
		time.Sleep(5 * time.Second)
		s.expect(Failed, 1, 1)
		if m.upAt.Load() != 0 {
			t.Error("the half-started target was left running")
		}
	})
}

func TestR5ReadyThenRefused(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		h := s.acquire()
		if err := h.Suspect(t.Context()); err != nil { // a hiccup: it answers again
			t.Fatal(err)
		}
		s.expect(Ready, 1, 0)
		m.power(false) // really dead
		if err := h.Suspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(Ready, 2, 0)
		if h.Epoch() != 2 {
			t.Errorf("hold of epoch %d, want 2", h.Epoch())
		}
		h.Release()
		h.Release()
		if st := s.settled(); st.Held != 0 || st.Waiting != 0 {
			t.Errorf("counts after all have left: %+v", st)
		}
	})
}

func TestR6LateReadyDuringCleanupIsStoppedFirst(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 5*time.Minute + time.Second // answers while the cleanup runs
		s := m.open()
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client"); err == nil {
			t.Fatal("served by a target that was late")
		}
		m.bootTime = time.Second
		s.acquire().Release()
		s.expect(Ready, 2, 1)
	})
}

func TestR6LateReadyAfterFailedCleanupIsAdopted(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 5*time.Minute + time.Second
		m.stopErr = func(n int) error {
			if n == 1 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client"); err == nil {
			t.Fatal("served by a target that was late")
		}
		s.acquire().Release() // joins during the cleanup that fails
		s.expect(Ready, 1, 1)
	})
}

func TestR7TargetDiesUnderClients(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		h := s.acquire()
		m.power(false)
		h.Release()                   // its relay was cut
		h = s.acquire()               // granted: nobody knows yet
		err := h.Suspect(t.Context()) // its dial is refused
		if err != nil {
			t.Fatal(err)
		}
		s.expect(Ready, 2, 0) // no stop action on a corpse
		h.Release()
	})
}

func TestR8ExternalStartIsAdoptedAndStopped(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Look = time.Minute })
		defer s.close()
		s.expect(Stopped, 0, 0)
		m.power(true)
		time.Sleep(2 * time.Minute)
		s.expect(Ready, 0, 0)
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 0, 1)
	})
}

func TestR9ExternalStopIsNotFought(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Look = time.Minute })
		defer s.close()
		s.acquire().Release()
		m.power(false)
		time.Sleep(2 * time.Hour)
		s.expect(Stopped, 1, 1) // stopped once more at the cooldown's end, never started again
	})
}

func TestR18DriverEndsAfterItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.deafAsk, m.startTime = true, 6*time.Minute
		s := m.open()
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client"); err == nil {
			t.Fatal("served after the start timeout")
		}
		time.Sleep(5 * time.Second)
		s.expect(Failed, 1, 1)
	})
}

func TestR19OneStartForManyClients(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		var clients sync.WaitGroup
		began := time.Now()
		for range 100 {
			clients.Go(func() {
				h := s.acquire()
				if waited := time.Since(began); waited != 40*time.Second {
					t.Errorf("waited %v, want 40s", waited)
				}
				h.Release()
			})
		}
		clients.Wait()
		s.expect(Ready, 1, 0)
	})
}

// TestR20CancelAgainstReady lets the last waiter leave just before, just after and
// in the very moment in which the target gets ready.
func TestR20CancelAgainstReady(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			bubble(t, func(t *testing.T, m *machineRoom) {
				s := m.open()
				defer s.close()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second+d)
				defer cancel()
				if h, err := s.Acquire(ctx, "client"); err == nil {
					h.Release()
				}
				time.Sleep(time.Second)
				if st := s.settled(); st.State != Ready || st.Held != 0 || st.Waiting != 0 || st.StopAt.IsZero() {
					t.Errorf("after the last waiter left: %+v", st)
				}
				time.Sleep(30*time.Minute + 5*time.Second)
				s.expect(Stopped, 1, 1)
			})
		})
	}
}

func TestR21NoPathForgetsACount(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(n int) error {
			if n%2 == 0 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		h := s.acquire()
		h.Release()
		h.Release()
		h = s.acquire()
		m.power(false)
		if err := h.Suspect(t.Context()); err == nil {
			t.Fatal("the second start must fail")
		}
		h.Release() // gone already: counts nothing
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Acquire(ctx, "hasty"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hasty client got %v", err)
		}
		if st := s.settled(); st.Held != 0 || st.Waiting != 0 {
			t.Errorf("counts: %+v", st)
		}
	})
}

func (s *stay) settled() Status {
	synctest.Wait()
	return s.Status()
}

// TestR24ShutdownInEveryPhase ends rouse at every second of a life: it must end at
// once, tell who waits, and leave the target as it is.
func TestR24ShutdownInEveryPhase(t *testing.T) {
	for at := time.Duration(0); at < 55*time.Second; at += 500 * time.Millisecond {
		bubble(t, func(t *testing.T, m *machineRoom) {
			s := m.open(func(o *Options) { o.Cooldown = 5 * time.Second })
			served := make(chan error, 1)
			go func() {
				h, err := s.Acquire(t.Context(), "client")
				if err == nil {
					h.Release()
				}
				served <- err
			}()
			time.Sleep(at)
			began := time.Now()
			s.close()
			if took := time.Since(began); took > 0 {
				t.Errorf("at %v: ending took %v", at, took)
			}
			if err := <-served; err != nil && !errors.Is(err, ErrEnding) {
				t.Errorf("at %v: the waiting client was told %v", at, err)
			}
			if r := m.record.Load(); m.upAt.Load() != 0 && (r == nil || !r.MayRun) {
				t.Errorf("at %v: it runs, but the record says %+v", at, r)
			}
			if _, err := s.Acquire(t.Context(), "late"); !errors.Is(err, ErrEnding) {
				t.Errorf("at %v: a client after the end got %v", at, err)
			}
		})
	}
}

func TestTemporaryFailuresAreTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		again := func(n int) error {
			if n < 3 {
				return fmt.Errorf("still pending: %w", driver.ErrTemporary)
			}
			return nil
		}
		m.startErr, m.stopErr = again, again
		s := m.open()
		defer s.close()
		s.acquire().Release() // never told of the first two
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 3, 3)
	})
}
