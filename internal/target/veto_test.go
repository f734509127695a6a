package target

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A target that says that it is busy is stopped when it is so no more, and not before.
func TestABusyTargetIsNotStopped(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		busy := time.Now().Add(37 * time.Minute)
		var asked atomic.Int32
		s := m.open(func(o *Options) {
			o.Veto = Veto{Every: 2 * time.Minute, AtMost: time.Hour, Ask: func(context.Context, driver.Op) (bool, error) {
				asked.Add(1)
				return time.Now().Before(busy), nil
			}}
		})
		defer s.close()
		s.acquire().Release()
		time.Sleep(35 * time.Minute)
		s.expect(Ready, 1, 0)
		if st := s.Status(); !st.Busy || asked.Load() != 3 {
			t.Errorf("asked %d times, %+v; want a target that is busy, and was asked at 30, 32 and 34 minutes", asked.Load(), st)
		}
		time.Sleep(4 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}

// Whoever comes while it is asked counts, whatever the answer is.
func TestAClientWhoComesDuringTheQuestionIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) {
			o.Veto = Veto{Every: time.Minute, AtMost: time.Hour, Ask: func(ctx context.Context, _ driver.Op) (bool, error) {
				return false, m.sleep(ctx, 10*time.Second)
			}}
		})
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 5*time.Second) // in the middle of the question
		h := s.acquire()
		time.Sleep(time.Hour)
		s.expect(Ready, 1, 0)
		h.Release()
		time.Sleep(30*time.Minute + 5*time.Second)
		s.acquire().Release() // comes and goes in the middle of the next
		time.Sleep(30 * time.Minute)
		s.expect(Ready, 1, 0)
		time.Sleep(20 * time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestAStopIsPutOffForSoLongAtMost(t *testing.T) {
	for name, err := range map[string]error{"always busy": nil, "nobody can tell": errBroken} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *machineRoom) {
				s := m.open(func(o *Options) {
					o.Veto = Veto{Every: 7 * time.Minute, AtMost: 20 * time.Minute, Ask: func(context.Context, driver.Op) (bool, error) { return true, err }}
				})
				defer s.close()
				s.acquire().Release()
				time.Sleep(49 * time.Minute)
				s.expect(Ready, 1, 0)
				time.Sleep(2 * time.Minute)
				s.expect(Stopped, 1, 1)
			})
		})
	}
}

// A question that panics is one that nobody could answer, and one that hangs ends with rouse.
func TestABadQuestionIsContained(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		n := 0
		s := m.open(func(o *Options) {
			o.Veto = Veto{Every: time.Minute, AtMost: time.Hour, Ask: func(ctx context.Context, _ driver.Op) (bool, error) {
				if n++; n == 1 {
					panic("a bug")
				}
				<-ctx.Done()
				return false, context.Cause(ctx)
			}}
		})
		s.acquire().Release()
		time.Sleep(32 * time.Minute)
		s.expect(Ready, 1, 0)
		s.close()
	})
}

// --on-exit=stop does not ask.
func TestRetiringAsksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) {
			o.Veto = Veto{Every: time.Minute, AtMost: time.Hour, Ask: func(context.Context, driver.Op) (bool, error) { return true, nil }}
		})
		defer s.close()
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(Stopped, 1, 1)
	})
}

// What dies again and again is not woken for a while, but for somebody who commands.
func TestACrashLoopIsBroken(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) {
			o.CrashLoop = CrashLoop{Deaths: 3, Within: 10 * time.Minute, Pause: 15 * time.Minute}
		})
		defer s.close()
		die := func() error {
			h, err := s.Acquire(t.Context(), "client")
			if err != nil {
				return err
			}
			m.power(false)
			h.Doubt()
			time.Sleep(time.Minute)
			return nil
		}
		for n := range 3 {
			if err := die(); err != nil {
				t.Fatalf("client %d: %v", n, err)
			}
		}
		for _, rank := range []Rank{Ordinary, Exempt} {
			if _, err := s.AcquireFor(t.Context(), Wish{Cause: "client", Rank: rank}); !errors.Is(err, ErrAsleep) {
				t.Fatalf("rank %d: %v, want to be told that it sleeps", rank, err)
			}
		}
		h, err := s.AcquireFor(t.Context(), Wish{Cause: "a person", Rank: Commanding})
		if err != nil {
			t.Fatalf("who commands: %v", err)
		}
		m.power(false)
		h.Doubt()
		synctest.Wait()
		time.Sleep(16 * time.Minute) // the limit heals
		if err := die(); err != nil {
			t.Fatalf("after the pause: %v", err)
		}
	})
}

// A stop of ours is no death, and neither is one that took its time.
func TestStopsAreNoDeaths(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) {
			o.Cooldown, o.Look, o.CrashLoop = time.Minute, time.Minute, CrashLoop{Deaths: 1, Within: time.Hour, Pause: time.Hour}
		})
		defer s.close()
		for range 3 {
			s.acquire().Release()
			time.Sleep(5 * time.Minute) // it is looked at, and found down
		}
		s.expect(Stopped, 3, 3)
	})
}

func TestTheUsersOwnPauses(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(int) error { return errBroken }
		s := m.open(func(o *Options) { o.Backoff, o.LongestPause, o.RefuseAfter = 10*time.Second, 15*time.Second, -1 })
		defer s.close()
		for n := range 4 {
			if _, err := s.Acquire(t.Context(), "client"); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second) // the cleanup
			began := time.Now()
			if _, err := s.Acquire(t.Context(), "client"); !errors.Is(err, errBroken) || time.Since(began) > 0 {
				t.Fatalf("in the pause after failure %d: %v after %v, want a refusal at once", n, err, time.Since(began))
			}
			time.Sleep(17 * time.Second) // the longest pause, with its jitter
		}
		s.expect(Stopped, 4, 4)
	})
}
