package target

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/state"
)

func TestRestOfAnOldCooldownEndsWithItsRun(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 0
		first := m.open()
		first.acquire().Release()
		time.Sleep(time.Minute)
		first.close()
		time.Sleep(5 * time.Hour)
		s := m.open(func(o *Options) { o.Look = time.Minute })
		time.Sleep(10 * time.Second)
		s.expect(Stopped, 1, 1) // its cooldown was over long ago
		time.Sleep(3 * time.Hour)
		m.power(true) // by hand
		time.Sleep(10 * time.Minute)
		s.expect(Ready, 1, 1)
		s.close()
		s = m.open() // and a restart does not take the old run's times for the new one's
		defer s.close()
		time.Sleep(time.Minute)
		s.expect(Ready, 1, 1)
		time.Sleep(30 * time.Minute)
		s.expect(Stopped, 1, 2)
	})
}

func TestDeadDiskDoesNotKeepRouseFromEnding(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		disk := deadDisk{machineRoom: m, replaced: make(chan struct{})}
		defer close(disk.replaced)
		m.saveErr = errBroken
		s := m.open(func(o *Options) { o.Store = disk })
		s.acquire().Release() // after the start has waited for the disk long enough
		began := time.Now()
		s.close()
		if took := time.Since(began); took > 2*lastWrite {
			t.Errorf("ending took %v", took)
		}
	})
}

// deadDisk never answers while the test runs.
type deadDisk struct {
	*machineRoom
	replaced chan struct{}
}

func (d deadDisk) Save(state.Record) error { <-d.replaced; return nil }

func TestRetireTriesAtOnceWhateverFailedBefore(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.stopErr = func(n int) error {
			if n <= 8 {
				return errBroken
			}
			return nil
		}
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(34 * time.Minute) // the backoff is two minutes by now
		s.expect(Unknown, 1, 8)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Retire(ctx); err != nil {
			t.Errorf("Retire: %v", err)
		}
	})
}

// TestWhatNobodyCouldSeeIsNotStoppedForIt: a name server that is out makes a running target
// look dead; the client is told, and the target left alone.
func TestWhatNobodyCouldSeeIsNotStoppedForIt(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.power(true)
		blind := &blindProber{machineRoom: m}
		m.record.Store(&state.Record{Target: "web", MayRun: true, Epoch: 1, InUse: true})
		s := m.open(func(o *Options) { o.Prober, o.StartTimeout = blind, time.Minute })
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client"); !errors.Is(err, probe.ErrCannotAsk) {
			t.Errorf("the client was told %v", err)
		}
		s.expect(Unknown, 1, 0)
		blind.sees.Store(true)
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

type blindProber struct {
	*machineRoom
	sees atomic.Bool
}

func (b *blindProber) Once(ctx context.Context, address string) (net.Conn, error) {
	if !b.sees.Load() {
		return nil, probe.ErrCannotAsk
	}
	return b.machineRoom.Once(ctx, address)
}

func (b *blindProber) Wait(ctx context.Context, address string) (net.Conn, error) {
	if !b.sees.Load() {
		<-ctx.Done()
		return nil, probe.ErrCannotAsk
	}
	return b.machineRoom.Wait(ctx, address)
}

// TestBrokenAppIsNotTakenForASleepingOne: it answers, if only with 503.
func TestBrokenAppIsNotTakenForASleepingOne(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		lazy := &lazyRoom{machineRoom: m}
		s := m.open(func(o *Options) { o.Driver, o.Prober, o.StopTimeout = lazy, brokenApp{m}, 20*time.Second })
		defer s.close()
		s.acquire().Release()
		m.deaf.Store(true)
		time.Sleep(31 * time.Minute)
		if st := s.settled(); st.State == Stopped || !errors.Is(st.Err, probe.ErrStillUp) {
			t.Errorf("after a stop that did nothing: %+v", st)
		}
	})
}

// brokenApp's target says that it is not ready whenever it is deaf.
type brokenApp struct{ *machineRoom }

func (b brokenApp) Once(ctx context.Context, address string) (net.Conn, error) {
	if b.upAt.Load() != 0 && b.deaf.Load() {
		return nil, probe.ErrAnswers
	}
	return b.machineRoom.Once(ctx, address)
}

func TestDoubtAsksAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Doubt()
		s.expect(Ready, 1, 0) // it was nothing
		h := s.acquire()
		m.power(false)
		h.Doubt()
		s.expect(Unknown, 1, 0)
		s.acquire().Release() // is not let in, but wakes it
		s.expect(Ready, 2, 0)
	})
}

// TestNobodyCanTellIsAskedAgain: without a record, and with no looks.
func TestNobodyCanTellIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.power(true)
		blind := &blindProber{machineRoom: m}
		s := m.open(func(o *Options) { o.Prober = blind })
		defer s.close()
		time.Sleep(time.Minute)
		s.expect(Unknown, 0, 0)
		blind.sees.Store(true)
		time.Sleep(2 * time.Minute)
		s.expect(Ready, 0, 0)
	})
}

// TestLookIsCutShortForAClient: a status hook that hangs must not hold up a wake.
func TestLookIsCutShortForAClient(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver, o.Look = slowReport{reporting{machineRoom: m}}, time.Hour })
		defer s.close()
		time.Sleep(time.Hour + 25*time.Second) // the boot's check, an hour, and into the look
		s.expect(Unknown, 0, 0)
		began := time.Now()
		s.acquire().Release()
		if waited := time.Since(began); waited != 40*time.Second {
			t.Errorf("waited %v, want no more than the start", waited)
		}
	})
}

type slowReport struct{ reporting }

func (r slowReport) Report(ctx context.Context, op driver.Op) (bool, error) {
	if err := r.sleep(ctx, 20*time.Second); err != nil {
		return false, err
	}
	return r.reporting.Report(ctx, op)
}

// TestReasonOfALateCleanup: a start fails while somebody still holds the target; the
// cleanup waits for that one, and the stop hook is told so.
func TestReasonOfALateCleanup(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(n int) error {
			if n == 1 {
				return nil
			}
			return errBroken
		}
		s := m.open()
		defer s.close()
		stays, dials := s.acquire(), s.acquire()
		m.power(false)
		if err := dials.Suspect(t.Context()); !errors.Is(err, errBroken) {
			t.Fatalf("Suspect: %v", err)
		}
		s.expect(Failed, 2, 0) // not under a client
		stays.Release()
		s.expect(Stopping, 2, 1)
		if reason := m.lastOp.Load().Reason; reason != "the last client left after a failed start" {
			t.Errorf("the stop's reason is %q", reason)
		}
	})
}

// TestDamageIsNotForgottenByTheNextRun: the damaged file is set aside, so a run that ends before it has learnt anything must
// leave the doubt behind. Else the next one takes a target that runs in silence for one that was never started.
func TestDamageIsNotForgottenByTheNextRun(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 0
		m.power(true)
		m.deaf.Store(true)
		first := m.open(func(o *Options) { o.Store = setAside{m} })
		time.Sleep(time.Minute)
		if r := m.record.Load(); r == nil || !r.MayRun {
			t.Errorf("a kill -9 would now leave the record %+v", r)
		}
		first.close()
		s := m.open()
		defer s.close()
		time.Sleep(31 * time.Minute)
		if m.upAt.Load() != 0 {
			t.Errorf("left running: %+v", s.Status())
		}
	})
}

// setAside finds a damaged file, once.
type setAside struct{ *machineRoom }

func (d setAside) Load(name string) (state.Record, error) {
	return state.Record{Target: name, MayRun: true}, &state.DamagedError{Target: name, Aside: "elsewhere"}
}

// beside is a prober of a target that moves, while a stranger answers at its configured address.
type beside struct{ *machineRoom }

func (b beside) Once(ctx context.Context, address string) (net.Conn, error) {
	if address == "vm:80" {
		return nil, nil
	}
	return b.machineRoom.Once(ctx, address)
}

// TestStrangerDoesNotKeepATargetThatMovesFromBeingStopped: its start has failed and told no address, so nobody knows where
// to look whether it is down. There is no status hook either.
func TestStrangerDoesNotKeepATargetThatMovesFromBeingStopped(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.record.Store(&state.Record{Target: "web", Epoch: 7, Moves: true})
		m.startErr = func(int) error { return errBroken }
		s := m.open(func(o *Options) { o.Prober = beside{m} })
		defer s.close()
		s.expect(Stopped, 0, 0)
		if _, err := s.Acquire(t.Context(), "client test"); !errors.Is(err, errBroken) {
			t.Errorf("Acquire: %v, want that the start failed", err)
		}
		time.Sleep(10 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}
