package target

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/state"
)

func TestAdoptedAtBootAndStoppedWhenUnused(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 0
		m.power(true)
		s := m.open()
		defer s.close()
		s.expect(Ready, 0, 0)
		time.Sleep(30*time.Minute - time.Second)
		s.expect(Ready, 0, 0)
		time.Sleep(time.Second + 5*time.Second)
		s.expect(Stopped, 0, 1)
	})
}

func TestR10RestartMidStart(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		bubble(t, func(t *testing.T, m *machineRoom) {
			first := m.open()
			go func() { _, _ = first.Acquire(t.Context(), "client") }()
			time.Sleep(500 * time.Millisecond) // in the start action
			first.close()
			if r := m.record.Load(); r == nil || !r.MayRun || r.Epoch != 1 {
				t.Fatalf("record after a death in the start: %+v", r)
			}
			s := m.open()
			defer s.close()
			s.expect(Unknown, 1, 0)
			if wanted {
				s.acquire().Release()
				s.expect(Ready, 2, 0)
				return
			}
			time.Sleep(30*time.Minute + 5*time.Second)
			s.expect(Stopped, 1, 1) // what may half run is stopped after a cooldown
		})
	}
}

func TestR11RestartMidCooldownHonoursTheRest(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire().Release()
		time.Sleep(20 * time.Minute)
		first.close()
		time.Sleep(4 * time.Minute) // rouse is down
		s := m.open()
		defer s.close()
		s.expect(Ready, 1, 0)
		time.Sleep(6*time.Minute - time.Second)
		s.expect(Ready, 1, 0)
		time.Sleep(time.Second + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestR11RestartLongAfterTheCooldownStopsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire().Release()
		time.Sleep(time.Minute)
		first.close()
		time.Sleep(5 * time.Hour)
		s := m.open()
		defer s.close()
		time.Sleep(5 * time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestR12RestartMidStop(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire().Release()
		time.Sleep(30*time.Minute + 2*time.Second)
		first.expect(Stopping, 1, 1)
		first.close()
		s := m.open()
		defer s.close()
		time.Sleep(5 * time.Second)
		s.expect(Stopped, 1, 2)
	})
}

// TestR12ClientAfterRestartMidStop: the target still answers, but a stop is under way
// or has been asked for: a client must not be served by what is about to go down.
func TestR12ClientAfterRestartMidStop(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire().Release()
		time.Sleep(30*time.Minute + 2*time.Second)
		first.expect(Stopping, 1, 1)
		first.close()
		s := m.open()
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 2, 2)
	})
}

func TestR13RestartWithClientsGivesThemAFullCooldown(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire() // its relay dies with rouse
		time.Sleep(10 * time.Hour)
		first.close()
		s := m.open()
		defer s.close()
		time.Sleep(29 * time.Minute)
		s.expect(Ready, 1, 0)
		s.acquire().Release()
	})
}

func TestEpochGrowsAcrossRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		for want := uint64(1); want <= 3; want++ {
			s := m.open(func(o *Options) { o.Cooldown = time.Second })
			h := s.acquire()
			if h.Epoch() != want || m.lastOp.Load().Epoch != want {
				t.Errorf("epoch %d, action saw %d, want %d", h.Epoch(), m.lastOp.Load().Epoch, want)
			}
			h.Release()
			time.Sleep(10 * time.Second)
			s.expect(Stopped, int32(want), int32(want))
			s.close()
		}
	})
}

func TestFailedStopIsRetriedUntilItWorks(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.stopErr = func(n int) error {
			if n < 6 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 6*time.Second)
		s.expect(Unknown, 1, 1)
		if err := s.Status().Err; !errors.Is(err, errBroken) {
			t.Errorf("status says %v, want the stop's error", err)
		}
		time.Sleep(5 * time.Minute)
		s.expect(Stopped, 1, 6)
	})
}

// TestFailedStopAfterManyFailedStarts: how often starts have failed is no reason to leave the target running.
func TestFailedStopAfterManyFailedStarts(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		var broken atomic.Bool
		m.startErr = func(int) error { return errBroken }
		m.stopErr = func(int) error {
			if broken.Load() {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		for m.starts.Load() < 10 {
			_, _ = s.Acquire(t.Context(), "client test")
			time.Sleep(5 * time.Minute)
		}
		broken.Store(true)
		_, _ = s.Acquire(t.Context(), "client test")
		time.Sleep(m.stopTime + time.Second/2)
		stops := m.stops.Load()
		s.expect(Unknown, m.starts.Load(), stops)
		broken.Store(false)
		time.Sleep(2 * time.Second)
		s.expect(Stopping, m.starts.Load(), stops+1)
		time.Sleep(time.Hour)
	})
}

func TestClientDuringFailedStopIsServedByWhatStillRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.stopErr = func(int) error { return errBroken }
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + time.Second)
		s.expect(Stopping, 1, 1)
		s.acquire().Release()
		s.expect(Ready, 1, 1)
	})
}

func TestStopThatDoesNothingFails(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		lazy := &lazyRoom{machineRoom: m}
		s := m.open(func(o *Options) { o.Driver, o.StopTimeout = lazy, 20*time.Second })
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 30*time.Second)
		if st := s.settled(); !errors.Is(st.Err, probe.ErrStillUp) || st.State == Stopped {
			t.Errorf("after a stop action that does nothing: %+v", st)
		}
		s.acquire().Release() // still serves
	})
}

// lazyRoom's stop action says that it is done and does nothing.
type lazyRoom struct{ *machineRoom }

func (l *lazyRoom) Stop(context.Context, driver.Op) error { return nil }

func TestStatusDecidesWhatTheProbeCannotSee(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.power(true)
		m.deaf.Store(true) // runs, and does not answer
		s := m.open(func(o *Options) { o.Driver = reporting{machineRoom: m} })
		defer s.close()
		s.expect(Unknown, 0, 0)
		time.Sleep(30*time.Minute + 6*time.Second)
		s.expect(Stopped, 0, 1)
	})
}

func TestBrokenStatusNeverMakesAClientWaitForEver(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver = reporting{machineRoom: m, err: errBroken} })
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

func TestFailedStartHookOfARunningTargetIsNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(int) error { m.upAt.Store(1); return errors.New("domain is already active") }
		s := m.open()
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

// TestFailedStartBesideAStranger: somebody answers at the address, but the driver knows that it is not the target.
func TestFailedStartBesideAStranger(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(int) error { return errBroken }
		m.power(true)
		time.Sleep(m.bootTime)
		s := m.open(func(o *Options) { o.Driver = elsewhere{m} })
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client test"); !errors.Is(err, errBroken) {
			t.Errorf("Acquire: %v, want that the start failed", err)
		}
	})
}

// elsewhere is a driver whose target never runs, whoever answers.
type elsewhere struct{ *machineRoom }

func (elsewhere) Report(context.Context, driver.Op) (bool, error) { return false, nil }

// TestFailedStartOfATargetThatMoves: its driver tells the address at each start, so whoever answers at the configured
// one, after a start that has not told it, may be a stranger.
func TestFailedStartOfATargetThatMoves(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		var broken atomic.Pointer[error]
		broken.Store(new(error))
		m.startErr = func(int) error { return *broken.Load() }
		m.stopErr = m.startErr // so that it is checked as well
		m.address = "10.0.0.7"
		s := m.open(func(o *Options) { o.Driver = reporting{machineRoom: m} })
		defer s.close()
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
		broken.Store(&errBroken)
		m.power(true)
		time.Sleep(m.bootTime)
		if h, err := s.Acquire(t.Context(), "client test"); !errors.Is(err, errBroken) {
			t.Errorf("Acquire: %v at %q, want that the start failed", err, h.Address())
		}
		broken.Store(new(error))
		time.Sleep(5 * time.Minute)
		h := s.acquire()
		if h.Address() != "10.0.0.7:80" {
			t.Errorf("address %q, want the one that was told", h.Address())
		}
		h.Release()
	})
}

// TestRestartInFrontOfAStranger: the new rouse cannot ask the driver, and somebody answers at the configured address.
func TestRestartInFrontOfAStranger(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.record.Store(&state.Record{Target: "web", Epoch: 7, Moves: true})
		m.power(true)
		time.Sleep(m.bootTime)
		s := m.open(func(o *Options) { o.Driver = reporting{machineRoom: m, err: errBroken} })
		defer s.close()
		s.expect(Unknown, 0, 0)
		m.address = "10.0.0.7" // of the next start
		h := s.acquire()
		if h.Address() != "10.0.0.7:80" {
			t.Errorf("address %q, want the one that was told", h.Address())
		}
		h.Release()
	})
}

func TestRetireStopsOnceUnheld(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		h := s.acquire()
		go func() { time.Sleep(time.Minute); h.Release() }()
		began := time.Now()
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 65*time.Second {
			t.Errorf("stopped after %v, under a client", took)
		}
		s.expect(Stopped, 1, 1)
		if _, err := s.Acquire(t.Context(), "late"); !errors.Is(err, ErrEnding) {
			t.Errorf("a client after the end got %v", err)
		}
	})
}

func TestRetireWhileStarting(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		told := make(chan error, 1)
		go func() { _, err := s.Acquire(t.Context(), "client"); told <- err }()
		time.Sleep(10 * time.Second)
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-told; !errors.Is(err, ErrEnding) {
			t.Errorf("the waiting client was told %v", err)
		}
		s.expect(Stopped, 1, 1)
	})
}

func TestRetireOfWhatSleeps(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(Stopped, 0, 0)
	})
}

func TestFullDiskServesAllTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.saveErr = errors.New("no space left on device")
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}

func TestLearntAddressLastsForItsRun(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.address = "10.0.0.7"
		first := m.open()
		h := first.acquire()
		if h.Address() != "10.0.0.7:80" {
			t.Errorf("address %q, want the learnt host with the configured port", h.Address())
		}
		h.Release()
		time.Sleep(time.Minute)
		first.close()
		s := m.open() // the new run of rouse knows it too
		defer s.close()
		h = s.acquire()
		if h.Address() != "10.0.0.7:80" {
			t.Errorf("address after a restart %q", h.Address())
		}
		h.Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
		if r := m.record.Load(); r.Address != "" || r.MayRun || !r.Moves {
			t.Errorf("record after the stop: %+v", r)
		}
	})
}

func TestDamagedStateAssumesTheWorst(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Store = damaged{m} })
		defer s.close()
		s.expect(Unknown, 0, 0)
		time.Sleep(30*time.Minute + 6*time.Second)
		s.expect(Stopped, 0, 1)
	})
}

type damaged struct{ *machineRoom }

func (d damaged) Load(name string) (state.Record, error) {
	return state.Record{Target: name, MayRun: true}, errors.New("torn")
}

// TestLateTimerIsPutOffOnce: after a pause of the process, clients may sit in the
// accept queue unseen; the question waits for them a moment (R15, F3).
func TestLateTimerIsPutOffOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		tg := m.open()
		tg.close()
		m.rigged = true
		s := newSupervisor(tg.Target)
		s.machine = machine{state: Ready, mayRun: true, armed: alarmIdle}
		s.deadline = time.Now().Add(-time.Minute)
		s.expire(t.Context())
		if s.machine.state != Ready || !s.late {
			t.Fatalf("a timer that fired a minute late decided at once: %+v", s.machine)
		}
		s.wg.Go(s.recorder.run)
		s.expire(t.Context())
		if s.machine.state != Stopping {
			t.Fatalf("the second question went unanswered: %+v", s.machine)
		}
		<-s.results
		s.recorder.stop()
		s.timer.Stop()
		s.progress.Stop()
	})
}

func TestDeathDuringTheBootIsNoticedByTheStatus(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver = reporting{machineRoom: m} })
		defer s.close()
		time.AfterFunc(10*time.Second, func() { m.power(false) })
		began := time.Now()
		if _, err := s.Acquire(t.Context(), "client"); !errors.Is(err, errDied) {
			t.Errorf("the client was told %v", err)
		}
		if told := time.Since(began); told > 10*time.Second+bootGap+3*bootBeat {
			t.Errorf("told after %v, long before the start timeout is wanted", told)
		}
	})
}

// TestMachineThatIsSilentUntilItIsUp: a status that pings says "does not run" for
// the whole boot, which proves nothing.
func TestMachineThatIsSilentUntilItIsUp(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver = pinging{m} })
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

type pinging struct{ *machineRoom }

func (p pinging) Report(context.Context, driver.Op) (bool, error) { return p.answers(), nil }
